//! Picks the login form of a page and fills it in as a browser would.

use url::Url;

use crate::page::{Field, Form, Page};

/// A form that is ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Filled {
    /// Where it goes.
    pub url: Url,
    /// Whether by POST; by GET otherwise.
    pub post: bool,
    /// The encoded fields; part of the URL already when it goes by GET.
    pub body: String,
    /// The names of the fields, in their order.
    pub fields: Vec<String>,
}

impl std::fmt::Debug for Filled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filled")
            .field("post", &self.post)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

/// A form that asks for a user name and a password.
#[derive(Debug, Clone, Copy)]
pub struct LoginForm<'a> {
    form: &'a Form,
    user: &'a str,
    password: &'a str,
}

impl<'a> LoginForm<'a> {
    /// The login form of a page. A form with one password field is preferred to one with two, which
    /// is for registering or for changing a password.
    pub fn of(page: &'a Page) -> Option<Self> {
        let forms = page.forms.iter().filter_map(Self::read);
        forms.min_by_key(|(passwords, _)| *passwords).map(|(_, form)| form)
    }

    fn read(form: &'a Form) -> Option<(usize, Self)> {
        let usable = || form.fields.iter().filter(|field| !field.disabled && field.name.is_some());
        let passwords = usable().filter(|field| field.kind == "password").count();
        let password = usable().find(|field| field.kind == "password")?;
        let user = usable()
            .find(|field| is_text(field) && field.autocomplete.split(' ').any(|word| word == "username"))
            .or_else(|| usable().find(|field| is_text(field)))?;
        let (user, password) = (user.name.as_deref()?, password.name.as_deref()?);
        Some((passwords, Self { form, user, password }))
    }

    /// The name of the field for the user name.
    pub fn user_field(&self) -> &'a str {
        self.user
    }

    /// The name of the field for the password.
    pub fn password_field(&self) -> &'a str {
        self.password
    }

    /// Fills the form in. `page_url` is where the page came from, `base` its `<base href>`.
    ///
    /// # Errors
    /// When the action is not an address that can be asked: its text.
    pub fn fill(
        &self,
        page_url: &Url,
        base: Option<&str>,
        user: &str,
        password: &str,
    ) -> Result<Filled, String> {
        let mut url = match self.form.action.as_deref().map(str::trim) {
            // No action, or an empty one, is the page itself, whatever its base says.
            None | Some("") => page_url.clone(),
            Some(action) => {
                let base = base.and_then(|base| page_url.join(base.trim()).ok());
                base.as_ref().unwrap_or(page_url).join(action).map_err(|_| action.to_owned())?
            }
        };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(url.scheme().to_owned() + ":");
        }
        url.set_fragment(None);
        let mut fields = Vec::new();
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        let mut button_pressed = false;
        for field in self.form.fields.iter().filter(|field| !field.disabled) {
            let Some(name) = field.name.as_deref() else {
                // The button that is pressed may be one without a name, which sends nothing.
                button_pressed |= is_button(field);
                continue;
            };
            let value = if name == self.user {
                user
            } else if name == self.password {
                password
            } else if is_button(field) {
                if std::mem::replace(&mut button_pressed, true) {
                    continue;
                }
                field.value.as_deref().unwrap_or_default()
            } else {
                match field.kind.as_str() {
                    "checkbox" | "radio" if !field.checked => continue,
                    "checkbox" | "radio" => field.value.as_deref().unwrap_or("on"),
                    "button" | "reset" | "image" | "file" => continue,
                    _ => field.value.as_deref().unwrap_or_default(),
                }
            };
            fields.push(name.to_owned());
            body.append_pair(name, value);
        }
        let body = body.finish();
        let post =
            self.form.method.as_deref().is_some_and(|method| method.trim().eq_ignore_ascii_case("post"));
        if !post {
            url.set_query(Some(&body));
        }
        Ok(Filled { url, post, body, fields })
    }
}

fn is_text(field: &Field) -> bool {
    // Browsers take a type that they do not know for text.
    const OTHERS: &str = "hidden password checkbox radio file submit image reset button color range date \
                          datetime-local month week time";
    field.element == "input" && OTHERS.split(' ').all(|other| other != field.kind)
}

fn is_button(field: &Field) -> bool {
    field.kind == "submit" && matches!(field.element.as_str(), "input" | "button")
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
