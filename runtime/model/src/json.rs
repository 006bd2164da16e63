//! JSON as it was written.

use std::fmt;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// The field of the object that stands for a text which databases would not give back
/// as it was.
const EXACT: &str = "$json";

/// A JSON text, byte for byte, without white space around it.
///
/// Databases write numbers and objects in forms of their own. So what they would
/// change is kept as `{"$json": "the text"}`, and all else as it is, for those who
/// look into the database.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Arc<str>);

impl Json {
    /// This text, if it is JSON.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<&RawValue>(text).map(|raw| Self(raw.get().into()))
    }

    /// A text that was read as JSON already.
    pub fn of_raw(raw: &RawValue) -> Self {
        Self(raw.get().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, to be written as it is.
    ///
    /// # Panics
    ///
    /// Never: it is JSON.
    pub fn to_raw(&self) -> Box<RawValue> {
        RawValue::from_string(self.0.to_string()).expect("it was read as JSON")
    }

    /// What it says, for those who need not have all digits of its numbers. None if
    /// one of them is too large to be told at all, or it is nested too deeply.
    pub fn to_value(&self) -> Option<Value> {
        serde_json::from_str(&self.0).ok()
    }

    /// Whether arrays and objects are nested at most so deep.
    pub fn is_within_depth(&self, levels: usize) -> bool {
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        for byte in self.0.bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'[' | b'{' if !in_string => depth += 1,
                b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > levels {
                return false;
            }
        }
        true
    }

    /// Whether it says the same as another, but for digits that only one of the two
    /// has.
    pub(crate) fn is_same(&self, other: &Self, numbers: fn(f64, f64) -> bool) -> bool {
        self == other
            || match (self.to_value(), other.to_value()) {
                (Some(ours), Some(theirs)) => is_same(&ours, &theirs, numbers),
                _ => false,
            }
    }

    /// Its tree, if that comes back from every database, and as this text.
    fn plain(&self) -> Option<Value> {
        let value = self.to_value()?;
        let is_exact = exact(&value).is_none() && comes_back(&value);
        let text = value.to_string();
        (is_exact && *text == *self.0).then_some(value)
    }
}

/// Whether numbers are written as databases write them.
fn comes_back(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            let text = number.to_string();
            !text.contains('e') && !text.starts_with("-0.0")
        }
        Value::Array(items) => items.iter().all(comes_back),
        Value::Object(fields) => fields.values().all(comes_back),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// The text that an object stands for.
fn exact(value: &Value) -> Option<&str> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    fields.get(EXACT)?.as_str()
}

fn is_same(ours: &Value, theirs: &Value, numbers: fn(f64, f64) -> bool) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => {
            let close = || Some(numbers(ours.as_f64()?, theirs.as_f64()?));
            ours == theirs || close() == Some(true)
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            let same = |(ours, theirs)| is_same(ours, theirs, numbers);
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(same)
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            let same = |(name, value): (&String, &Value)| {
                theirs.get(name).is_some_and(|other| is_same(value, other, numbers))
            };
            ours.len() == theirs.len() && ours.iter().all(same)
        }
        (ours, theirs) => ours == theirs,
    }
}

impl<T: Into<Value>> From<T> for Json {
    fn from(value: T) -> Self {
        Self(value.into().to_string().into())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(value) = self.plain() {
            return value.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(EXACT, &*self.0)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let text = exact(&value).and_then(|text| Self::parse(text).ok());
        Ok(text.unwrap_or_else(|| Self(value.to_string().into())))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text).expect("JSON")
    }

    #[test]
    fn what_a_database_would_change_is_kept_as_a_text() {
        let stored = |text: &str| serde_json::to_value(json(text)).expect("serialises");
        for plain in ["1", "-17", "0.5", "1.0", "18446744073709551615", "null", r#""a""#] {
            assert_eq!(stored(plain).to_string(), plain);
        }
        assert_eq!(stored(r#"{"a":[1,{"b":null}]}"#), json!({"a": [1, {"b": null}]}));
        for changed in [
            "1.10",
            "12345678901234567890123",
            "0.1000000000000000055511151231257827",
            "18446744073709551616",
            "1e400",
            "1E5",
            "1e16",
            "-0.0",
            "-0",
            "[1, 2]",
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":2}"#,
            r#""\u0041""#,
            r#""\ud800""#,
            r#"{"$json":"1"}"#,
        ] {
            assert_eq!(stored(changed), json!({"$json": changed}));
            let back: Json = serde_json::from_value(stored(changed)).expect("parses");
            assert_eq!(back.as_str(), changed);
        }
    }

    #[test]
    fn what_was_stored_before_texts_were_kept_is_read_as_it_was() {
        for text in ["1", r#"{"$json":17}"#, r#"{"$json":"no JSON"}"#, r#"{"a":1,"b":"x"}"#] {
            let read: Json = serde_json::from_str(text).expect("parses");
            assert_eq!(read.as_str(), text);
        }
    }

    #[test]
    fn white_space_around_it_is_not_a_part_and_what_is_no_json_is_refused() {
        assert_eq!(json(" [1, 2]\n").as_str(), "[1, 2]");
        for text in ["", "1 2", "NaN", "{", "'a'"] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn levels_are_counted_outside_of_strings() {
        assert!(json(r#"["[[[[\"[[[",{"]":1}]"#).is_within_depth(2));
        assert!(!json(r#"[{"a":[]}]"#).is_within_depth(2));
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(json(&deep).is_within_depth(10_000));
        assert!(!json(&deep).is_within_depth(32));
        assert_eq!(json(&deep).to_value(), None);
    }
}
