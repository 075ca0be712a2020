//! Reading objects: one, or a list of them.

use http::StatusCode;

use crate::serve::Response;

use super::call::Call;
use super::reply::{self, Shaper};
use super::selector::Selector;
use super::status::Refusal;

/// Which objects a request is about.
pub fn selector(call: &Call<'_>) -> Result<Selector, Refusal> {
    let text = |name| call.query.text(name);
    Selector::parse(&call.kind.resource, text("labelSelector"), text("fieldSelector"))
}

/// GET of one object.
pub fn get(call: &Call<'_>) -> Result<Response, Refusal> {
    Ok(reply::object(StatusCode::OK, &Shaper::of(call)?.one(&*call.found()?, true)))
}

/// GET of a list. It is always whole and the newest that there is, whatever `limit` and
/// `resourceVersion` say.
pub fn list(call: &Call<'_>) -> Result<Response, Refusal> {
    let (selector, shaper) = (selector(call)?, Shaper::of(call)?);
    let (all, version) = call.api.store.list(&call.kind.resource.id(), call.target.namespace.as_deref());
    let selected = all.iter().map(|object| &**object).filter(|object| selector.matches(object));
    Ok(reply::object(StatusCode::OK, &shaper.list(version, selected)))
}
