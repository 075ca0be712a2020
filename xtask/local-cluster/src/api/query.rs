//! The parameters of a request.

use url::form_urlencoded;

use super::status::{Cause, Refusal};

/// The query of a URL.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes a query.
    pub fn parse(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter, or nothing.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// A yes or no, as Kubernetes reads them: everything but `false` and `0` is yes.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(|value| !matches!(value.to_ascii_lowercase().as_str(), "false" | "0"))
    }

    /// A whole number.
    ///
    /// # Errors
    /// 400 if it is none.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.get(name) {
            None | Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| {
                Refusal::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
            }),
        }
    }
}

/// What to do with fields that a type does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldValidation {
    /// Refuse the request.
    Strict,
    /// Say so in a header.
    Warn,
    /// Say nothing.
    Ignore,
}

/// The parameters of a write.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// Go through all of it, but store nothing.
    pub dry_run: bool,
    /// Who writes.
    pub manager: String,
    /// What to do with unknown fields.
    pub validation: FieldValidation,
    /// An apply takes what others own.
    pub force: bool,
}

/// Which write the options belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH, but not an apply.
    Patch,
    /// A server-side apply.
    Apply,
}

impl WriteOptions {
    /// Reads them. `user_agent` names the manager if no parameter does.
    ///
    /// # Errors
    /// 422 for values that are none.
    pub fn parse(query: &Query, write: Write, user_agent: &str) -> Result<Self, Refusal> {
        let kind = match write {
            Write::Create => "CreateOptions",
            Write::Update => "UpdateOptions",
            Write::Patch | Write::Apply => "PatchOptions",
        };
        let mut causes = vec![];
        let asked = query.text("fieldManager");
        if write == Write::Apply && asked.is_empty() {
            causes.push(Cause {
                reason: "FieldValueRequired",
                field: "fieldManager".into(),
                message: "Required value: is required for apply patch".into(),
            });
        }
        if write != Write::Apply && query.get("force").is_some() && write == Write::Patch {
            causes.push(Cause {
                reason: "FieldValueForbidden",
                field: "force".into(),
                message: "Forbidden: may not be specified for non-apply patch".into(),
            });
        }
        if asked.len() > MANAGER {
            causes.push(Cause {
                reason: "FieldValueTooLong",
                field: "fieldManager".into(),
                message: format!("Too long: may not be more than {MANAGER} bytes"),
            });
        }
        if let Some(odd) = asked.chars().find(|it| it.is_control()) {
            causes.push(Cause {
                reason: "FieldValueInvalid",
                field: "fieldManager".into(),
                message: format!(
                    "Invalid value: {asked:?}: should only contain printable characters ({odd:?})"
                ),
            });
        }
        let dry_run = dry_run(query.all("dryRun"), &mut causes);
        let validation = match query.text("fieldValidation") {
            "" | "Warn" => FieldValidation::Warn,
            "Strict" => FieldValidation::Strict,
            "Ignore" => FieldValidation::Ignore,
            other => {
                causes.push(not_supported("fieldValidation", other, &["", "Ignore", "Strict", "Warn"]));
                FieldValidation::Warn
            }
        };
        if !causes.is_empty() {
            return Err(Refusal::invalid("meta.k8s.io", kind, "", &causes));
        }
        let manager = if asked.is_empty() { of_user_agent(user_agent) } else { asked.to_owned() };
        Ok(Self { dry_run, manager, validation, force: query.flag("force").unwrap_or_default() })
    }
}

/// The longest name of a manager.
const MANAGER: usize = 128;

/// `dryRun` may only be `All`.
pub fn dry_run<'a>(values: impl Iterator<Item = &'a str>, causes: &mut Vec<Cause>) -> bool {
    let mut any = false;
    for value in values {
        any = true;
        if value != "All" {
            causes.push(Cause {
                reason: "FieldValueNotSupported",
                field: "dryRun".into(),
                message: format!("Unsupported value: [{value:?}]: supported values: \"All\""),
            });
        }
    }
    any
}

/// A value that is not among the known ones.
pub fn not_supported(field: &str, value: &str, known: &[&str]) -> Cause {
    let known: Vec<String> = known.iter().map(|it| format!("{it:?}")).collect();
    Cause {
        reason: "FieldValueNotSupported",
        field: field.into(),
        message: format!("Unsupported value: {value:?}: supported values: {}", known.join(", ")),
    }
}

/// The name before the first slash, as far as it can be printed.
fn of_user_agent(user_agent: &str) -> String {
    let name = user_agent.split('/').next().unwrap_or_default();
    let mut kept = String::new();
    for character in name.chars().filter(|it| !it.is_control()) {
        if kept.len() + character.len_utf8() > MANAGER {
            break;
        }
        kept.push(character);
    }
    kept
}

/// The parameters of a list or watch.
#[derive(Debug, Clone)]
pub struct ListOptions {
    /// `labelSelector`.
    pub labels: String,
    /// `fieldSelector`.
    pub fields: String,
    /// How many at most.
    pub limit: Option<usize>,
    /// Where the last page ended.
    pub cursor: String,
    /// The version that is asked for.
    pub version: Version,
    /// How long a watch goes on.
    pub timeout: Option<u64>,
    /// The watcher takes bookmarks.
    pub bookmarks: bool,
    /// A watch begins with what is there.
    pub initial: Option<bool>,
}

/// What a reader asks of the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The newest.
    Newest,
    /// Any; the newest is as good as another.
    Any,
    /// Not older than this one.
    NotOlderThan(u64),
    /// This one.
    Exact(u64),
}

impl ListOptions {
    /// Reads them.
    ///
    /// # Errors
    /// 400 and 422 for values that are none or do not go together.
    pub fn parse(query: &Query) -> Result<Self, Refusal> {
        let watch = query.flag("watch").unwrap_or_default();
        let cursor = query.text("continue").to_owned();
        let initial = query.flag("sendInitialEvents");
        let matching = query.text("resourceVersionMatch");
        let text = query.text("resourceVersion");
        let mut causes = vec![];
        let mut forbid = |field: &str, why: &str| {
            causes.push(Cause {
                reason: "FieldValueForbidden",
                field: field.into(),
                message: format!("Forbidden: {why}"),
            });
        };
        if watch {
            match (initial, matching) {
                (Some(true), "NotOlderThan") | (Some(false) | None, "") => {}
                (Some(true), "") => forbid(
                    "resourceVersionMatch",
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                ),
                (Some(_), "NotOlderThan") => {}
                (Some(_), _) => forbid(
                    "resourceVersionMatch",
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                ),
                (None, _) => {
                    forbid(
                        "resourceVersionMatch",
                        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                    );
                }
            }
        } else {
            if initial.is_some() {
                forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
            }
            if !matching.is_empty() {
                if text.is_empty() {
                    forbid(
                        "resourceVersionMatch",
                        "resourceVersionMatch is forbidden unless resourceVersion is provided",
                    );
                }
                if !cursor.is_empty() {
                    forbid(
                        "resourceVersionMatch",
                        "resourceVersionMatch is forbidden when continue is provided",
                    );
                }
                if matching == "Exact" && text == "0" {
                    forbid(
                        "resourceVersionMatch",
                        "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                    );
                }
            }
        }
        if !matches!(matching, "" | "Exact" | "NotOlderThan") {
            causes.push(not_supported("resourceVersionMatch", matching, &["Exact", "NotOlderThan", ""]));
        }
        if !causes.is_empty() {
            return Err(Refusal::invalid("meta.k8s.io", "ListOptions", "", &causes));
        }
        let limit = query.number("limit")?.and_then(|it| usize::try_from(it).ok()).filter(|it| *it > 0);
        let number = || {
            text.parse::<u64>().map_err(|_| {
                Refusal::bad_request(format!(
                    "invalid resource version: resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
                ))
            })
        };
        let version = match (text, matching) {
            ("", _) => Version::Newest,
            ("0", _) => Version::Any,
            (_, "Exact") => Version::Exact(number()?),
            // Without a wish, a page of a list at a version is of that version.
            (_, "") if limit.is_some() && !watch => Version::Exact(number()?),
            _ => Version::NotOlderThan(number()?),
        };
        if !cursor.is_empty() && !matches!(version, Version::Newest | Version::Any) {
            return Err(Refusal::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        Ok(Self {
            labels: query.text("labelSelector").to_owned(),
            fields: query.text("fieldSelector").to_owned(),
            limit,
            cursor,
            version,
            timeout: query
                .number("timeoutSeconds")?
                .and_then(|it| u64::try_from(it).ok())
                .filter(|it| *it > 0),
            bookmarks: query.flag("allowWatchBookmarks").unwrap_or_default(),
            initial,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(query: &str) -> Result<ListOptions, Refusal> {
        ListOptions::parse(&Query::parse(Some(query)))
    }

    #[test]
    fn versions_are_read_as_asked() {
        for (query, version) in [
            ("", Version::Newest),
            ("resourceVersion=0&limit=500", Version::Any),
            ("resourceVersion=5", Version::NotOlderThan(5)),
            ("resourceVersion=5&limit=1", Version::Exact(5)),
            ("resourceVersion=5&resourceVersionMatch=Exact", Version::Exact(5)),
        ] {
            assert_eq!(list(query).unwrap().version, version, "{query}");
        }
        for bad in [
            "resourceVersion=x",
            "resourceVersionMatch=Exact",
            "resourceVersion=0&resourceVersionMatch=Exact",
            "watch=1&sendInitialEvents=true",
            "sendInitialEvents=true",
            "limit=x",
        ] {
            assert!(list(bad).is_err(), "{bad}");
        }
        assert!(list("watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan").is_ok());
    }

    #[test]
    fn a_manager_is_named_by_parameter_or_user_agent() {
        let query = Query::parse(Some("fieldManager=me&dryRun=All&fieldValidation=Strict"));
        let options = WriteOptions::parse(&query, Write::Update, "kubectl/v1").unwrap();
        assert!(options.dry_run);
        assert_eq!((options.manager.as_str(), options.validation), ("me", FieldValidation::Strict));
        let options = WriteOptions::parse(&Query::default(), Write::Create, "kubectl/v1").unwrap();
        assert_eq!(options.manager, "kubectl");
        assert!(WriteOptions::parse(&Query::default(), Write::Apply, "x").is_err());
        assert!(WriteOptions::parse(&Query::parse(Some("dryRun=x")), Write::Create, "x").is_err());
    }
}
