//! Objects, and nothing else, where objects are meant.
//!
//! What serde derives for a struct also reads an array of its fields in their
//! order. Nobody means that: a field that is added would change what it says.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use dacapo_model::text::shown;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A value that is written as an object.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// For a field: `#[serde(deserialize_with = "object::field")]`.
pub(crate) fn field<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Object::deserialize(deserializer).map(|Object(value)| value)
}

/// The same for a field that may be `null`.
pub(crate) fn optional<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<Object<T>>::deserialize(deserializer).map(|value| value.map(|Object(value)| value))
}

/// The same for a list of them.
pub(crate) fn list<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let objects = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|Object(value)| value).collect())
}

/// For an object of any names, of which none may be there twice: readers of JSON do
/// not agree on which of the two counts.
pub(crate) fn unique<'de, T, D>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_map(Unique(PhantomData))
}

struct Unique<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Unique<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut read = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, T>()? {
            if read.contains_key(&name) {
                let name = shown(&name);
                return Err(A::Error::custom(format_args!("{name:?} is there twice")));
            }
            read.insert(name, value);
        }
        Ok(read)
    }
}

/// For a field: tells `null` from what is left out.
pub(crate) fn named<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// The same for an object.
pub(crate) fn named_object<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let named: Option<Object<T>> = Option::deserialize(deserializer)?;
    Ok(Some(named.map(|Object(value)| value)))
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(default)]
        input: Option<Box<RawValue>>,
        #[serde(default, deserialize_with = "optional")]
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        text: String,
    }

    fn read(text: &str) -> Result<Outer, String> {
        serde_json::from_str(text).map(|Object(outer)| outer).map_err(|error| error.to_string())
    }

    #[test]
    fn arrays_are_not_taken_for_objects() {
        let error = read(r#"["input", {"text": "t"}]"#).expect_err("an array");
        assert!(error.contains("expected an object"), "{error}");
        assert!(read(r#"{"inner": ["t"]}"#).is_err());
        assert_eq!(
            read(r#"{"inner": {"text": "t"}}"#).expect("it is one").inner.expect("there").text,
            "t"
        );
        assert!(read(r#"{"inner": null}"#).expect("it is one").inner.is_none());
    }

    #[test]
    fn raw_values_keep_their_bytes_and_errors_their_place() {
        let outer = read(r#"{"input": [1.10,  2]}"#).expect("an object");
        assert_eq!(outer.input.expect("there").get(), "[1.10,  2]");
        let error = read("{\n\"inptu\": 1}").expect_err("misspelt");
        assert!(error.contains("`inptu`") && error.contains("line 2"), "{error}");
    }
}
