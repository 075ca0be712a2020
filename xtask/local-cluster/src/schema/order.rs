//! The order of the items of a list that was merged.

use std::collections::HashMap;

use serde_json::Value;

/// Items that `order` names stand as it says; the others keep their place relative to where they
/// stood `before`. What tells items apart is their `id`. An item that is new stands before the
/// others, or, if it `waits`, before the next one that was there.
pub fn put_in_order(
    items: Vec<Value>,
    order: &[String],
    before: &[String],
    waits: bool,
    id: impl Fn(&Value) -> String,
) -> Vec<Value> {
    let (order, before) = (places(order), places(before));
    let (mut named, others): (Vec<_>, Vec<_>) =
        items.into_iter().map(|item| (id(&item), item)).partition(|(id, _)| order.contains_key(id.as_str()));
    named.sort_by_key(|(id, _)| order.get(id.as_str()));
    let mut next = usize::MAX;
    let mut known: Vec<usize> = vec![];
    for (id, _) in named.iter().rev() {
        let place = before.get(id.as_str()).copied();
        next = place.unwrap_or(if waits { next } else { 0 });
        known.push(next);
    }
    let mut others = others.into_iter().peekable();
    let mut all = vec![];
    for ((_, item), place) in named.into_iter().zip(known.into_iter().rev()) {
        let earlier = |(id, _): &(String, Value)| before.get(id.as_str()).is_some_and(|it| *it < place);
        while let Some((_, other)) = others.next_if(earlier) {
            all.push(other);
        }
        all.push(item);
    }
    all.extend(others.map(|(_, item)| item));
    all
}

fn places(list: &[String]) -> HashMap<&str, usize> {
    // From the back, so that of two equal ones the first place stays.
    list.iter().enumerate().rev().map(|(place, id)| (id.as_str(), place)).collect()
}
