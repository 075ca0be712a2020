//! Documents of YAML or JSON, as anybody may have written them: where each begins, and what it says, within a budget
//! that aliases of aliases do not get past.

use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The deepest brackets: the parser looks at all that are open at each that comes.
const DEEPEST: usize = 1000;
/// What a document may come to, in bytes.
const BUDGET: usize = 64 * 1024 * 1024;
/// What a value counts for, beside its text.
const NODE: usize = 32;

/// A document of a stream, and the line on which it begins, from 1.
pub struct Document<'a> {
    /// The line.
    pub line: usize,
    /// Its text.
    pub text: &'a str,
}

/// The documents of a stream, which `---` parts.
pub fn documents(stream: &str) -> Vec<Document<'_>> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let (mut all, mut begin, mut line, mut at) = (vec![], 0, 1, 0);
    for (number, text) in stream.split_inclusive('\n').enumerate() {
        let marker =
            text.strip_prefix("---").is_some_and(|rest| rest.trim_start() != rest || rest.is_empty());
        if marker {
            all.push(Document { line, text: &stream[begin..at] });
            // What stands behind the marker belongs to what it begins.
            (begin, line) = (at + 3, number + 1);
        }
        at += text.len();
    }
    all.push(Document { line, text: &stream[begin..] });
    let says = |text: &str| {
        let line = text.trim();
        !line.is_empty() && !line.starts_with(['#', '%']) && line != "..."
    };
    all.retain(|document| document.text.lines().any(says));
    all
}

/// Reads a document.
///
/// # Errors
/// It is neither YAML nor JSON, or nobody should have to read it: the line of the document, from 1, if that is known.
pub fn read(text: &str) -> Result<Value, Option<usize>> {
    let is_json = text.trim_start().starts_with(['{', '[']);
    let json = is_json.then(|| serde_json::from_str::<Value>(text));
    if let Some(Ok(value)) = json {
        return Ok(value);
    }
    let (mut open, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => continue,
        }
        deepest = deepest.max(open);
    }
    let of_json = || json.and_then(Result::err).map(|error| error.line());
    if deepest > DEEPEST {
        return Err(of_json());
    }
    let mut budget = BUDGET;
    Within(&mut budget)
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .map_err(|error| error.location().map(|location| location.line()).or_else(of_json))
}

/// Reads a value and takes what it comes to off a budget.
struct Within<'a>(&'a mut usize);

impl Within<'_> {
    fn spend<E: de::Error>(&mut self, text: usize) -> Result<(), E> {
        match self.0.checked_sub(NODE + text) {
            Some(left) => *self.0 = left,
            None => return Err(E::custom("it is too much")),
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Within<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Within<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: de::Error>(mut self, value: &str) -> Result<Value, E> {
        self.spend(value.len())?;
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        self.spend(0)?;
        let mut all = vec![];
        while let Some(item) = items.next_element_seed(Within(self.0))? {
            self.spend(0)?;
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Value, A::Error> {
        self.spend(0)?;
        let mut all = Map::new();
        while let Some(name) = fields.next_key_seed(Within(self.0))? {
            let name = match name {
                Value::String(name) => name,
                other => other.to_string(),
            };
            all.insert(name, fields.next_value_seed(Within(self.0))?);
        }
        Ok(Value::Object(merged(all)))
    }

    /// A tag of its own says nothing to Kubernetes.
    fn visit_enum<A: de::EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        use de::VariantAccess as _;
        let (_, value) = data.variant::<String>()?;
        value.newtype_variant_seed(self)
    }
}

/// Takes over what `<<` names, where there is no field of that name.
fn merged(mut fields: Map<String, Value>) -> Map<String, Value> {
    let others = match fields.remove("<<") {
        None => return fields,
        Some(Value::Array(others)) => others,
        Some(other) => vec![other],
    };
    for other in others {
        let Value::Object(other) = other else { continue };
        for (name, value) in other {
            fields.entry(name).or_insert(value);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_begin_at_their_lines() {
        let lines = |stream: &str| -> Vec<usize> { documents(stream).iter().map(|it| it.line).collect() };
        assert_eq!(lines("a: 1\n---\nb: 2\n--- # c\nc: 3\n"), [1, 2, 4]);
        assert_eq!(lines("---\r\na: 1\r\n---\r\n# nothing\r\n---\r\nb: 2"), [1, 5]);
        assert_eq!(lines("\u{feff}%YAML 1.2\n---\na: 1\n...\n---\n"), [2]);
        assert_eq!(lines("a: |\n  ---\n  ----\n----: 1\n"), [1]);
        assert_eq!(lines(""), [0; 0]);
        assert_eq!(read(documents("--- {a: 1}\n").first().unwrap().text), Ok(json!({"a": 1})));
    }

    #[test]
    fn what_is_written_is_read_as_json_would_have_it() {
        for (text, value) in [
            (
                "a: &x {b: 1, c: two}\nd:\n  <<: *x\n  c: 3\n",
                json!({"a": {"b": 1, "c": "two"}, "d": {"b": 1, "c": 3}}),
            ),
            ("<<: [{a: 1}, {a: 2, b: 3}]\n", json!({"a": 1, "b": 3})),
            ("1: a\ntrue: b\n", json!({"1": "a", "true": "b"})),
            ("a: !own text\n", json!({"a": "text"})),
            ("a: ~\nb: 1.5\nc: [yes, -1]\n", json!({"a": null, "b": 1.5, "c": ["yes", -1]})),
            ("{\"a\": [{}]}", json!({"a": [{}]})),
            ("{a: 1}", json!({"a": 1})),
        ] {
            assert_eq!(read(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_line_and_soon() {
        for (text, line) in [
            ("a: b\nc: d: e\n".to_owned(), Some(2)),
            ("a:\n\tb: c\n".to_owned(), Some(2)),
            ("a: \"open\n".to_owned(), Some(2)),
            ("{\n\"a\": 1,\n".to_owned(), Some(3)),
            ("a: *nobody\n".to_owned(), Some(1)),
            ("a: \u{0}\n".to_owned(), None),
        ] {
            assert_eq!(read(&text).map_err(|at| line.is_none() || at == line), Err(true), "{text:?}");
        }
        let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for depth in 1..20 {
            let name = format!("*a{}, ", depth - 1).repeat(9);
            laughs.push_str(&format!("a{depth}: &a{depth} [{name}]\n"));
        }
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(10_000));
        for bomb in [laughs, long, "[".repeat(1_000_000), "{a: ".repeat(1_000_000), "- ".repeat(1_000_000)] {
            assert!(read(&bomb).is_err(), "{}", &bomb[..20]);
        }
        let large = format!("a: {}\n", "x".repeat(1_000_000));
        assert!(read(&large).is_ok());
    }
}
