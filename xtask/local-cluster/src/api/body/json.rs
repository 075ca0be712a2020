//! JSON and YAML with an eye on duplicate fields, of which a plain parser keeps
//! the last and says nothing.

use std::cell::RefCell;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A document and the paths that it names twice.
#[derive(Debug, PartialEq)]
pub struct Document {
    /// What stands in it.
    pub value: Value,
    /// `metadata.name`, `spec.containers[0].image`.
    pub duplicates: Vec<String>,
}

/// How many duplicates are named; a document made of them must not make a long answer.
const NAMED: usize = 64;

/// Reads JSON. Its depth is limited by the parser (128).
///
/// # Errors
/// What is wrong with it.
pub fn from_json(bytes: &[u8]) -> Result<Document, serde_json::Error> {
    let duplicates = RefCell::new(vec![]);
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let value = Node { path: &Path::Root, duplicates: &duplicates }.deserialize(&mut parser)?;
    parser.end()?;
    Ok(Document { value, duplicates: duplicates.into_inner() })
}

/// Reads one YAML document. Depth and aliases are limited by the parser.
///
/// # Errors
/// What is wrong with it.
pub fn from_yaml(bytes: &[u8]) -> Result<Document, serde_yaml::Error> {
    let duplicates = RefCell::new(vec![]);
    let parser = serde_yaml::Deserializer::from_slice(bytes);
    let value = Node { path: &Path::Root, duplicates: &duplicates }.deserialize(parser)?;
    Ok(Document { value, duplicates: duplicates.into_inner() })
}

/// Where the parser is; built only when it has to be said.
enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(outer, name) => write!(f, "{outer}.{name}"),
            Self::Item(outer, index) => write!(f, "{outer}[{index}]"),
        }
    }
}

struct Node<'a> {
    path: &'a Path<'a>,
    duplicates: &'a RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
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

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = vec![];
        loop {
            let path = Path::Item(self.path, all.len());
            match items.next_element_seed(Node { path: &path, duplicates: self.duplicates })? {
                Some(item) => all.push(item),
                None => return Ok(Value::Array(all)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let path = Path::Field(self.path, &name);
            let value = entries.next_value_seed(Node { path: &path, duplicates: self.duplicates })?;
            let mut duplicates = self.duplicates.borrow_mut();
            if all.contains_key(&name) && duplicates.len() < NAMED {
                duplicates.push(path.to_string());
            }
            drop(duplicates);
            all.insert(name, value);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn duplicates_are_named_and_the_last_one_counts() {
        let document = from_json(br#"{"a":1,"a":2,"b":[{"c":1,"c":2}]}"#).unwrap();
        assert_eq!(document.value, json!({"a": 2, "b": [{"c": 2}]}));
        assert_eq!(document.duplicates, ["a", "b[0].c"]);
        let yaml = from_yaml(b"a:\n  b: 1\n  b: two\n").unwrap();
        assert_eq!(yaml.value, json!({"a": {"b": "two"}}));
        assert_eq!(yaml.duplicates, ["a.b"]);
    }

    #[test]
    fn depth_and_garbage_are_errors() {
        let deep = "[".repeat(100_000);
        assert!(from_json(deep.as_bytes()).is_err());
        assert!(from_yaml(deep.as_bytes()).is_err());
        for bad in ["", "{", "{} {}", "\u{feff}", "nul"] {
            assert!(from_json(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(from_yaml(b"a: 1\n---\nb: 2\n").is_err());
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
        assert!(from_yaml(bomb.as_bytes()).is_err());
    }
}
