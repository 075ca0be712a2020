//! What a client wants to read: objects as they are, or a table of them. All answers are JSON.

use http::HeaderMap;
use http::header::ACCEPT;

use super::body::JSON;
use super::status::Refusal;

/// The shape of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// As it is.
    Plain,
    /// Rows and columns for people.
    Table,
}

/// Chooses the first of what the client takes that the API can give.
///
/// # Errors
/// 406 if there is none.
pub fn negotiate(headers: &HeaderMap) -> Result<View, Refusal> {
    let given = || headers.get_all(ACCEPT).iter().filter_map(|it| it.to_str().ok());
    if given().all(|header| header.trim().is_empty()) {
        return Ok(View::Plain);
    }
    let mut all = given().flat_map(|header| header.split(','));
    all.find_map(view).ok_or_else(|| Refusal::not_acceptable(JSON))
}

fn view(clause: &str) -> Option<View> {
    let mut parts = clause.split(';').map(str::trim);
    if !matches!(parts.next()?, JSON | "*/*" | "application/*") {
        return None;
    }
    let parameters: Vec<&str> = parts.collect();
    match parameters.iter().find_map(|it| it.strip_prefix("as=")) {
        None => Some(View::Plain),
        Some("Table") if parameters.contains(&"v=v1") => Some(View::Table),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(header: &str) -> Result<View, Refusal> {
        negotiate(&HeaderMap::from_iter([(ACCEPT, header.parse().unwrap())]))
    }

    #[test]
    fn the_first_that_can_be_given_is_given() {
        for (header, view) in [
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", View::Table),
            ("application/vnd.kubernetes.protobuf,application/json", View::Plain),
            ("application/json;as=Other;v=v1;g=meta.k8s.io, */*", View::Plain),
            (
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
                View::Plain,
            ),
        ] {
            assert_eq!(negotiated(header).unwrap(), view, "{header}");
        }
        assert_eq!(negotiated("text/html").unwrap_err().code, 406);
        assert_eq!(negotiated("application/vnd.kubernetes.protobuf").unwrap_err().code, 406);
    }
}
