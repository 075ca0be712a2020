//! Reading objects: one, or a list of them.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Value, json};

use crate::serve::Response;
use crate::store::{Store, object};

use super::Call;
use super::accept::{View, negotiate};
use super::query::{ListOptions, Version};
use super::reply::{self, Include, Shaper};
use super::selector::Selector;
use super::status::{Cause, Refusal};

/// How long a reader waits for a version that is still to come.
const PATIENCE: Duration = Duration::from_secs(3);

/// GET of one object.
pub fn get(call: &Call<'_>, pretty: bool) -> Result<Response, Refusal> {
    let shaper = shaper(call, |view| matches!(view, View::Plain | View::Table | View::Metadata))?;
    let name = call.target.name.as_deref().unwrap_or_default();
    let key = call.kind.key(call.target.namespace.as_deref(), name);
    let found = call.api.store.get(&key).ok_or_else(|| Refusal::not_found(&call.kind.resource, name))?;
    Ok(reply::object(StatusCode::OK, &shaper.0.one(&found, true), shaper.1, pretty))
}

/// The shaper of an answer, and whether it is YAML.
pub fn shaper(call: &Call<'_>, views: fn(View) -> bool) -> Result<(Shaper, bool), Refusal> {
    let accepted = negotiate(&call.headers, views)?;
    let include = match accepted.view {
        View::Table => Include::parse(call.query.text("includeObject"))?,
        _ => Include::Metadata,
    };
    Ok((Shaper::new(&call.kind, accepted, include), accepted.yaml))
}

/// GET of a list.
pub async fn list(call: &Call<'_>, pretty: bool) -> Result<Response, Refusal> {
    let options = ListOptions::parse(&call.query)?;
    let selector = Selector::parse(&call.kind.resource, &options.labels, &options.fields)?;
    let (shaper, yaml) = shaper(call, |view| matches!(view, View::Plain | View::Table | View::MetadataList))?;
    let page = page(call, &options, &selector).await?;
    let mut meta = json!({"resourceVersion": page.version.to_string()});
    if let Some(cursor) = page.cursor {
        meta["continue"] = cursor.into();
        // With a selector nobody has counted.
        if selector.is_empty() {
            meta["remainingItemCount"] = page.remaining.into();
        }
    }
    let list = shaper.list(meta, page.items.iter().map(|item| &**item));
    Ok(reply::object(StatusCode::OK, &list, yaml, pretty))
}

struct Page {
    items: Vec<Arc<Value>>,
    version: u64,
    cursor: Option<String>,
    remaining: usize,
}

async fn page(call: &Call<'_>, options: &ListOptions, selector: &Selector) -> Result<Page, Refusal> {
    let store = &call.api.store;
    let (resource, namespace) = (call.kind.resource.id(), call.target.namespace.as_deref());
    let mut after = None;
    let (all, version) = if options.cursor.is_empty() {
        match options.version {
            Version::Newest | Version::Any => store.list(&resource, namespace),
            Version::NotOlderThan(version) => {
                wait_for(store, version).await?;
                store.list(&resource, namespace)
            }
            Version::Exact(version) => {
                wait_for(store, version).await?;
                let all = store
                    .list_at(&resource, namespace, version)
                    .map_err(|_| Refusal::expired("The resourceVersion for the provided list is too old."))?;
                (all, version)
            }
        }
    } else {
        let (version, namespace_of, name) = cursor(&options.cursor)?;
        after = Some((namespace_of, name));
        match version {
            // A cursor without a version goes on in what is there now.
            None => store.list(&resource, namespace),
            Some(version) => match store.list_at(&resource, namespace, version) {
                Ok(all) => (all, version),
                Err(_) => return Err(stale(after)),
            },
        }
    };
    // From its memory of the newest state a real server answers whole lists too.
    let limit = options.limit.filter(|_| options.version != Version::Any || after.is_some());
    let place = |object: &Value| (object::namespace(object).to_owned(), object::name(object).to_owned());
    let mut matching = all
        .into_iter()
        .filter(|object| after.as_ref().is_none_or(|after| place(object) > *after))
        .filter(|object| selector.matches(object));
    let items: Vec<Arc<Value>> = match limit {
        Some(limit) => matching.by_ref().take(limit).collect(),
        None => matching.by_ref().collect(),
    };
    let remaining = matching.count();
    let cursor = items.last().filter(|_| remaining > 0).map(|last| {
        let (namespace, name) = place(last);
        write_cursor(Some(version), &namespace, &name)
    });
    Ok(Page { items, version, cursor, remaining })
}

/// Objects that a `deletecollection` is about.
pub fn selected(call: &Call<'_>) -> Result<Vec<Arc<Value>>, Refusal> {
    let options = ListOptions::parse(&call.query)?;
    let selector = Selector::parse(&call.kind.resource, &options.labels, &options.fields)?;
    let (all, _) = call.api.store.list(&call.kind.resource.id(), call.target.namespace.as_deref());
    Ok(all.into_iter().filter(|object| selector.matches(object)).collect())
}

/// Waits until the store has come to a version.
async fn wait_for(store: &Store, version: u64) -> Result<(), Refusal> {
    if store.version() >= version {
        return Ok(());
    }
    let reached = tokio::time::timeout(PATIENCE, store.reached(version)).await;
    reached.map_err(|_| {
        let message = format!("Too large resource version: {version}, current: {}", store.version());
        Refusal::timeout(&message, 1).because(&Cause {
            reason: "ResourceVersionTooLarge",
            field: String::new(),
            message: "Too large resource version".into(),
        })
    })
}

fn write_cursor(version: Option<u64>, namespace: &str, name: &str) -> String {
    let cursor =
        json!({"v": "meta.k8s.io/v1", "rv": version.map_or(-1, |it| it as i64), "start": [namespace, name]});
    BASE64_URL_SAFE_NO_PAD.encode(cursor.to_string())
}

fn cursor(text: &str) -> Result<(Option<u64>, String, String), Refusal> {
    let bad =
        |why: &str| Refusal::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|error| bad(&error.to_string()))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| bad(&error.to_string()))?;
    if value["v"] != "meta.k8s.io/v1" {
        return Err(bad("server does not recognize this encoded version"));
    }
    let part = |index: usize| value["start"][index].as_str().map(str::to_owned);
    let (Some(namespace), Some(name)) = (part(0), part(1)) else {
        return Err(bad("encoded start key is not valid"));
    };
    Ok((value["rv"].as_u64(), namespace, name))
}

fn stale(after: Option<(String, String)>) -> Refusal {
    let mut refusal = Refusal::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    );
    refusal.cursor = after.map(|(namespace, name)| write_cursor(None, &namespace, &name));
    refusal
}
