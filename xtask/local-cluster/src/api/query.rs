//! The parameters of a request.

use url::form_urlencoded;

use super::status::Refusal;

/// The query of a URL.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes a query.
    pub fn parse(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The first value of a parameter, or nothing.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value.as_str())
    }

    /// A yes or no, as Kubernetes reads them: everything but `false` and `0` is yes.
    pub fn flag(&self, name: &str) -> bool {
        let given = self.0.iter().find(|(it, _)| it == name);
        given.is_some_and(|(_, value)| !["false", "0"].contains(&value.to_ascii_lowercase().as_str()))
    }

    /// A whole number.
    ///
    /// # Errors
    /// 400 if it is none.
    pub fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, Refusal> {
        match self.text(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| unreadable(name, text)),
        }
    }
}

/// 400: a parameter has a value that says nothing.
pub fn unreadable(name: &str, value: &str) -> Refusal {
    Refusal::bad_request(format!("{name}: Invalid value: {value:?}"))
}

/// The parameters of a write.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// Go through all of it, but store nothing.
    pub dry_run: bool,
    /// Who writes.
    pub manager: String,
    /// Refuse fields that the type does not have; they fall away without a word else.
    pub strict: bool,
    /// An apply takes what others own.
    pub force: bool,
}

/// The longest name of a manager.
const MANAGER: usize = 128;

impl WriteOptions {
    /// Reads them. `user_agent` names the manager if no parameter does.
    ///
    /// # Errors
    /// 400 for values that are none.
    pub fn parse(query: &Query, user_agent: &str) -> Result<Self, Refusal> {
        let asked = query.text("fieldManager");
        if asked.len() > MANAGER || asked.chars().any(char::is_control) {
            return Err(unreadable("fieldManager", asked));
        }
        let of_agent = || {
            let name = user_agent.split('/').next().unwrap_or_default();
            name.chars().filter(char::is_ascii_graphic).take(MANAGER).collect()
        };
        let validation = query.text("fieldValidation");
        if !["", "Warn", "Strict", "Ignore"].contains(&validation) {
            return Err(unreadable("fieldValidation", validation));
        }
        Ok(Self {
            dry_run: dry_run(query.text("dryRun"))?,
            manager: if asked.is_empty() { of_agent() } else { asked.to_owned() },
            strict: validation == "Strict",
            force: query.flag("force"),
        })
    }
}

/// `dryRun` may only be `All`.
///
/// # Errors
/// 400 for another word: whoever sends it does not want anything stored.
pub fn dry_run(value: &str) -> Result<bool, Refusal> {
    match value {
        "" => Ok(false),
        "All" => Ok(true),
        other => Err(unreadable("dryRun", other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_asked() {
        let version = |query: &str| Query::parse(Some(query)).number::<u64>("resourceVersion");
        for (query, since) in
            [("", None), ("resourceVersion=0&limit=500", Some(0)), ("resourceVersion=5", Some(5))]
        {
            assert_eq!(version(query).unwrap(), since, "{query}");
        }
        assert!(version("resourceVersion=x").is_err());
    }

    #[test]
    fn a_manager_is_named_by_parameter_or_user_agent() {
        let query = Query::parse(Some("fieldManager=me&dryRun=All&fieldValidation=Strict"));
        let options = WriteOptions::parse(&query, "kubectl/v1").unwrap();
        assert!(options.dry_run);
        assert_eq!((options.manager.as_str(), options.strict), ("me", true));
        let options = WriteOptions::parse(&Query::default(), "kubectl/v1").unwrap();
        assert_eq!(options.manager, "kubectl");
        assert!(WriteOptions::parse(&Query::parse(Some("dryRun=x")), "x").is_err());
    }
}
