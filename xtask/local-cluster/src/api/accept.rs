//! What a client wants to read: the object, a table, its metadata; JSON or YAML.

use http::HeaderMap;
use http::header::ACCEPT;

use super::body::{JSON, PROTOBUF, YAML};
use super::status::Refusal;

/// The shape of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// As it is.
    Plain,
    /// Rows and columns for people.
    Table,
    /// Only the metadata of one object.
    Metadata,
    /// Only the metadata of a list's objects.
    MetadataList,
    /// Discovery of everything at once, of this version.
    Discovery(&'static str),
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its shape.
    pub view: View,
    /// YAML rather than JSON.
    pub yaml: bool,
    /// The version of `meta.k8s.io` that a table or metadata is in.
    pub meta_version: &'static str,
}

/// Chooses the first of what the client takes that the lab can give. `views` tells
/// which shapes this answer can have.
///
/// # Errors
/// 406 if there is none.
pub fn negotiate(headers: &HeaderMap, views: fn(View) -> bool) -> Result<Accepted, Refusal> {
    let header: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|it| it.to_str().ok()).collect();
    let header = header.join(",");
    let plain = Accepted { view: View::Plain, yaml: false, meta_version: "v1" };
    if header.trim().is_empty() {
        return Ok(plain);
    }
    let mut clauses: Vec<(f32, &str)> = header.split(',').map(|clause| (quality(clause), clause)).collect();
    // A stable sort: what is wished as much comes in the order of the header.
    clauses.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (quality, clause) in clauses {
        if quality > 0.0
            && let Some(accepted) = accept(clause)
            && views(accepted.view)
        {
            return Ok(accepted);
        }
    }
    Err(Refusal::not_acceptable(&[JSON, YAML, PROTOBUF]))
}

fn parameters(clause: &str) -> impl Iterator<Item = (&str, &str)> {
    clause.split(';').skip(1).filter_map(|part| {
        let (name, value) = part.split_once('=')?;
        Some((name.trim(), value.trim()))
    })
}

fn quality(clause: &str) -> f32 {
    parameters(clause).find(|(name, _)| *name == "q").map_or(1.0, |(_, value)| value.parse().unwrap_or(0.0))
}

fn accept(clause: &str) -> Option<Accepted> {
    let yaml = match clause.split(';').next()?.trim() {
        JSON | "*/*" | "application/*" => false,
        YAML => true,
        _ => return None,
    };
    let parameter =
        |wanted: &str| parameters(clause).find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let (group, version) = (parameter("g").unwrap_or_default(), parameter("v").unwrap_or_default());
    let meta_version = if version == "v1beta1" { "v1beta1" } else { "v1" };
    let meta = group == "meta.k8s.io" && matches!(version, "v1" | "v1beta1");
    let view = match parameter("as") {
        None => View::Plain,
        Some("Table") if meta => View::Table,
        Some("PartialObjectMetadata") if meta => View::Metadata,
        Some("PartialObjectMetadataList") if meta => View::MetadataList,
        Some("APIGroupDiscoveryList") if group == "apidiscovery.k8s.io" => match version {
            "v2" => View::Discovery("v2"),
            "v2beta1" => View::Discovery("v2beta1"),
            _ => return None,
        },
        Some(_) => return None,
    };
    Some(Accepted { view, yaml, meta_version })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(header: &str) -> Result<Accepted, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, header.parse().unwrap());
        negotiate(&headers, |view| !matches!(view, View::Discovery(_)))
    }

    #[test]
    fn the_first_that_can_be_given_is_given() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        for (header, view, yaml) in [
            (table, View::Table, false),
            ("application/vnd.kubernetes.protobuf,application/json", View::Plain, false),
            ("application/json;as=Other;v=v1;g=meta.k8s.io, */*", View::Plain, false),
            (
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
                View::Plain,
                false,
            ),
            ("application/yaml", View::Plain, true),
            ("application/json;q=0.5,application/yaml", View::Plain, true),
            ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", View::MetadataList, false),
        ] {
            let accepted = negotiated(header).unwrap();
            assert_eq!((accepted.view, accepted.yaml), (view, yaml), "{header}");
        }
        assert_eq!(negotiated("text/html").unwrap_err().code, 406);
        assert_eq!(negotiated("application/vnd.kubernetes.protobuf").unwrap_err().code, 406);
    }
}
