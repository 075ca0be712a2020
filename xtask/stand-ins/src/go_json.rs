//! JSON as Go writes a struct: fields in their order, and those with `omitempty` only where they
//! hold something.

use serde::Serialize;
use serde::ser::Serializer;
use serde_json::Value;

/// An object whose fields stay in their order.
#[derive(Default)]
pub(crate) struct Object(Vec<(&'static str, Field)>);

/// What a field holds.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Field {
    Value(Value),
    Object(Object),
}

impl<T: Into<Value>> From<T> for Field {
    fn from(value: T) -> Self {
        Self::Value(value.into())
    }
}

impl From<Object> for Field {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl Object {
    /// A field that is always there.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Field>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// A field that is there where there is something to say.
    pub(crate) fn if_some(self, name: &'static str, value: Option<impl Into<Field>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// A field with `omitempty`.
    pub(crate) fn unless_empty(self, name: &'static str, value: impl Into<Value>) -> Self {
        match value.into() {
            Value::Null | Value::Bool(false) => self,
            Value::String(text) if text.is_empty() => self,
            Value::Array(list) if list.is_empty() => self,
            value => self.with(name, value),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stay_in_order_and_are_left_out_where_they_are_empty() {
        let inner = Object::default().with("z", "").with("a", Value::Null);
        let object = Object::default()
            .with("b", inner)
            .unless_empty("c", "")
            .unless_empty("d", Vec::<String>::new())
            .unless_empty("e", None::<String>)
            .unless_empty("f", false)
            .if_some("g", None::<Object>)
            .if_some("h", Some(false))
            .unless_empty("a", 0);
        assert_eq!(serde_json::to_string(&object).unwrap(), r#"{"b":{"z":"","a":null},"h":false,"a":0}"#);
    }
}
