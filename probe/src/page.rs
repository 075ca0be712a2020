//! Reads an HTML page far enough to find its forms, its title and what it says to people.

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};

/// The most text that is kept of a page, in bytes.
const MOST_TEXT: usize = 4000;

/// What a page consists of, as far as a login cares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The text of `<title>`.
    pub title: Option<String>,
    /// The `href` of `<base>`, which relative addresses start from.
    pub base: Option<String>,
    /// The forms in their order.
    pub forms: Vec<Form>,
    /// The words a person sees, white space collapsed, cut after a few thousand bytes.
    pub text: String,
    /// The words of the first element that is marked as an error.
    pub error: Option<String>,
    /// How many scripts the page has.
    pub scripts: usize,
    /// How many links the page has.
    pub links: usize,
    /// Whether a password field stands outside of every form.
    pub stray_password: bool,
    /// Whether the page sends a browser on by `<meta http-equiv=refresh>`.
    pub refreshes: bool,
}

/// A form as it was sent, entities decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// Its `id`.
    pub id: Option<String>,
    /// Its `action`, as written.
    pub action: Option<String>,
    /// Its `method`, as written.
    pub method: Option<String>,
    /// Its fields in their order.
    pub fields: Vec<Field>,
}

/// One field of a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// The element's name: `input`, `button`, `select`, `textarea`.
    pub element: String,
    /// Its `type`, in lower case; for an `input` without one, `text`.
    pub kind: String,
    /// Its `name`; one without a name is never sent.
    pub name: Option<String>,
    /// Its value as it stands in the page.
    pub value: Option<String>,
    /// Its `autocomplete`, in lower case.
    pub autocomplete: String,
    /// Whether it is checked.
    pub checked: bool,
    /// Whether it is disabled.
    pub disabled: bool,
}

impl Page {
    /// Reads a page; anything is a page, however broken.
    pub fn parse(html: &str) -> Self {
        let mut emitter = DefaultEmitter::default();
        emitter.naively_switch_states(true);
        let mut reader = Reader::default();
        for token in Tokenizer::new_with_emitter(html, emitter) {
            let Ok(token) = token;
            match token {
                Token::StartTag(tag) => reader.start(&tag),
                Token::EndTag(tag) => reader.end(&String::from_utf8_lossy(&tag.name)),
                Token::String(text) => reader.text(&String::from_utf8_lossy(&text.value)),
                Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
            }
        }
        reader.finish()
    }
}

#[derive(Default)]
struct Reader {
    page: Page,
    /// The index of the form that is open.
    open: Option<usize>,
    /// Fields that name their form by id, which may come later in the page.
    owned: Vec<(String, Field)>,
    /// The element whose text is not shown to people.
    hidden: Option<String>,
    title: Option<String>,
    /// The element that is marked as an error: its name, how deep it is nested in itself, its text.
    error: Option<(String, usize, String)>,
    /// The select that is open: its field and whether an option was marked as selected.
    select: Option<(Field, Option<String>, bool)>,
    textarea: Option<(Field, Option<String>)>,
}

impl Reader {
    fn start(&mut self, tag: &StartTag<()>) {
        let name = String::from_utf8_lossy(&tag.name).into_owned();
        if let Some((element, depth, _)) = &mut self.error
            && *element == name
        {
            *depth += 1;
        }
        let marked = attribute(tag, "role").is_some_and(|role| role.eq_ignore_ascii_case("alert"))
            || attribute(tag, "id").is_some_and(|id| is_error_name(&id))
            || attribute(tag, "class").is_some_and(|class| class.split_ascii_whitespace().any(is_error_name));
        if marked && self.error.is_none() && self.page.error.is_none() && !is_void(&name) {
            self.error = Some((name.clone(), 1, String::new()));
        }
        self.text(" ");
        match name.as_str() {
            "title" if self.page.title.is_none() => self.title = Some(String::new()),
            "script" => {
                self.page.scripts += 1;
                self.hidden = Some(name);
            }
            "style" | "template" | "noscript" => self.hidden = Some(name),
            "base" if self.page.base.is_none() => self.page.base = attribute(tag, "href"),
            "meta" => {
                let refreshes =
                    attribute(tag, "http-equiv").is_some_and(|it| it.eq_ignore_ascii_case("refresh"));
                self.page.refreshes |= refreshes;
            }
            "a" if attribute(tag, "href").is_some() => self.page.links += 1,
            // A form inside a form does not count for browsers either.
            "form" if self.open.is_none() => {
                self.open = Some(self.page.forms.len());
                self.page.forms.push(Form {
                    id: attribute(tag, "id"),
                    action: attribute(tag, "action"),
                    method: attribute(tag, "method"),
                    fields: Vec::new(),
                });
            }
            "input" | "button" => self.field(field_of(tag, &name), attribute(tag, "form")),
            "select" => self.select = Some((field_of(tag, &name), attribute(tag, "form"), false)),
            "option" => {
                let chosen = attribute(tag, "selected").is_some();
                if let Some((field, _, selected)) = &mut self.select
                    && (field.value.is_none() || (chosen && !*selected))
                {
                    field.value = Some(attribute(tag, "value").unwrap_or_default());
                    *selected = chosen;
                }
            }
            "textarea" => {
                let field = Field { value: Some(String::new()), ..field_of(tag, &name) };
                self.textarea = Some((field, attribute(tag, "form")));
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if self.hidden.as_deref() == Some(name) {
            self.hidden = None;
        }
        if let Some((element, depth, text)) = &mut self.error
            && element == name
        {
            *depth -= 1;
            if *depth == 0 {
                let text = collapse(text);
                self.page.error = (!text.is_empty()).then_some(text);
                self.error = None;
            }
        }
        match name {
            "title" => {
                if let Some(title) = self.title.take() {
                    self.page.title = Some(collapse(&title)).filter(|title| !title.is_empty());
                }
            }
            "form" => self.open = None,
            "select" => {
                if let Some((field, form, _)) = self.select.take() {
                    self.field(field, form);
                }
            }
            "textarea" => {
                if let Some((field, form)) = self.textarea.take() {
                    self.field(field, form);
                }
            }
            _ => {}
        }
        self.text(" ");
    }

    fn text(&mut self, text: &str) {
        if let Some((field, _)) = &mut self.textarea {
            field.value.get_or_insert_default().push_str(text);
            return;
        }
        if let Some(title) = &mut self.title {
            title.push_str(text);
            return;
        }
        if self.hidden.is_some() {
            return;
        }
        if let Some((_, _, error)) = &mut self.error {
            push(error, text);
        }
        push(&mut self.page.text, text);
    }

    fn field(&mut self, field: Field, form: Option<String>) {
        match (form, self.open) {
            (Some(id), _) => self.owned.push((id, field)),
            (None, Some(open)) => self.page.forms[open].fields.push(field),
            (None, None) => self.page.stray_password |= field.kind == "password",
        }
    }

    fn finish(mut self) -> Page {
        if let Some((_, _, text)) = self.error.take() {
            let text = collapse(&text);
            self.page.error = (!text.is_empty()).then_some(text);
        }
        for (id, field) in self.owned {
            match self.page.forms.iter_mut().find(|form| form.id.as_deref() == Some(&id)) {
                Some(form) => form.fields.push(field),
                None => self.page.stray_password |= field.kind == "password",
            }
        }
        self.page.text = collapse(&self.page.text);
        self.page
    }
}

fn field_of(tag: &StartTag<()>, element: &str) -> Field {
    let kind = attribute(tag, "type").unwrap_or_default().trim().to_ascii_lowercase();
    let usual = match element {
        "input" => "text",
        "button" => "submit",
        other => other,
    };
    Field {
        element: element.to_owned(),
        kind: if kind.is_empty() || element == "select" { usual.to_owned() } else { kind },
        name: attribute(tag, "name").filter(|name| !name.is_empty()),
        value: attribute(tag, "value"),
        autocomplete: attribute(tag, "autocomplete").unwrap_or_default().to_ascii_lowercase(),
        checked: attribute(tag, "checked").is_some(),
        disabled: attribute(tag, "disabled").is_some(),
    }
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    tag.attributes.get(name.as_bytes()).map(|value| String::from_utf8_lossy(&value.value).into_owned())
}

/// The ids and classes by which login pages mark what went wrong (Dex, Keycloak, Bootstrap's pages).
fn is_error_name(name: &str) -> bool {
    const NAMES: &str =
        "login-error input-error error error-message alert-error alert-danger kc-feedback-text";
    NAMES.split(' ').any(|error| name.eq_ignore_ascii_case(error))
}

fn is_void(name: &str) -> bool {
    matches!(
        name,
        "input" | "img" | "br" | "hr" | "meta" | "link" | "base" | "area" | "col" | "embed" | "source"
    )
}

/// Adds what there is room for.
fn push(shown: &mut String, text: &str) {
    let room = MOST_TEXT.saturating_sub(shown.len());
    let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    shown.push_str(&text[..end]);
}

/// White space as a person sees it.
pub(crate) fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
