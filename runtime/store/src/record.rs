//! For backends: how values become columns and come back, the same in every
//! database.
//!
//! PostgreSQL can't keep U+0000 in `text` or `jsonb`, but guests and clients may
//! put it into any message. Ids refuse it where they enter; every other string
//! is kept in JSON, where it is escaped: U+0000 is written as U+0010 `0` (U+0010
//! is the control character "data link escape"), and U+0010 itself is doubled.

use std::fmt::{self, Display};
use std::str::FromStr;

use dacapo_model::attributes::RunAttributes;
use dacapo_model::event::{EventAttributes, HistorySize, RootExecution};
use dacapo_model::execution::ParentRun;
use dacapo_model::ids::{RunId, RunKey};
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::{Result, StoreError};

const ESCAPE: char = '\u{10}';
const ESCAPED_NUL: char = '0';

/// The JSON to store for a value.
///
/// # Panics
///
/// If the value has no JSON form, which all types of the model have.
pub fn to_json<T: Serialize>(value: &T) -> Value {
    let mut json = serde_json::to_value(value).expect("types of the model have a JSON form");
    rewrite_strings(&mut json, &escaped);
    json
}

/// The JSON text to store for the attributes of an event: without their type and
/// their payload, which have columns of their own.
///
/// # Panics
///
/// If the attributes have no JSON form, which all types of the model have.
pub fn event_to_json(attributes: &EventAttributes) -> String {
    let json = serde_json::to_string(attributes).expect("types of the model have a JSON form");
    if !needs_rewriting(&json) {
        return without_type(&json, attributes.type_name());
    }
    let mut json = to_json(attributes);
    if let Value::Object(fields) = &mut json {
        fields.remove("type");
    }
    json.to_string()
}

/// Attributes are serialised with their type in front.
fn without_type(json: &str, event_type: &str) -> String {
    let fields = json
        .strip_prefix(r#"{"type":""#)
        .and_then(|rest| rest.strip_prefix(event_type))
        .and_then(|rest| rest.strip_prefix('"'))
        .expect("the type is the first field");
    format!("{{{}", fields.strip_prefix(',').unwrap_or(fields))
}

/// The reverse of [`without_type`].
fn with_type(fields: &str, event_type: &str) -> Option<String> {
    let fields = fields.trim_start().strip_prefix('{')?;
    let comma = if fields.trim_start().starts_with('}') { "" } else { "," };
    Some(format!(r#"{{"type":"{event_type}"{comma}{fields}"#))
}

/// Whether a JSON text may hold a string that is stored in another form. It may
/// be wrong in saying so.
fn needs_rewriting(json: &str) -> bool {
    json.contains(r"\u0000") || json.contains(r"\u0010")
}

/// The columns `memo` and `search_attributes`: null where nothing was said.
pub fn attributes_to_json(attributes: &RunAttributes) -> (Option<Value>, Option<Value>) {
    // Tags have rows of their own.
    let RunAttributes { memo, search_attributes, tags: _ } = attributes;
    (
        (!memo.is_empty()).then(|| to_json(memo)),
        (!search_attributes.is_empty()).then(|| to_json(search_attributes)),
    )
}

/// An integer as databases have them.
pub fn to_signed(row: &RowName<'_>, column: &'static str, number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| row.corrupt(column, format!("{number} is too large")))
}

/// The columns `history_length` and `history_bytes`: null of an open run.
pub fn history_size_columns(
    key: RunKey,
    size: Option<HistorySize>,
) -> Result<(Option<i64>, Option<i64>)> {
    let Some(HistorySize { events, bytes }) = size else { return Ok((None, None)) };
    let row = RowName { table: "workflow_executions", key: &key };
    let length = to_signed(&row, "history_length", events)?;
    Ok((Some(length), Some(to_signed(&row, "history_bytes", bytes)?)))
}

/// A row by its table and key, for the errors of what reads its columns.
pub struct RowName<'a> {
    /// The table.
    pub table: &'static str,
    /// The row's key.
    pub key: &'a (dyn Display + Send + Sync),
}

/// The place of an event in `history_events`, put into words only if it is needed.
pub struct EventPlace {
    /// Its run.
    pub key: RunKey,
    /// Its position.
    pub event_id: i64,
}

impl Display for EventPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.key, self.event_id)
    }
}

impl RowName<'_> {
    /// The error for a column that does not hold what was written.
    pub fn corrupt(&self, column: &'static str, reason: impl Display) -> StoreError {
        StoreError::Corrupt {
            table: self.table,
            column,
            row: self.key.to_string(),
            reason: reason.to_string(),
        }
    }

    /// Reads an id.
    pub fn parse<T: FromStr<Err: Display>>(&self, column: &'static str, text: &str) -> Result<T> {
        text.parse().map_err(|error| self.corrupt(column, error))
    }

    /// Reads a number that is never negative.
    pub fn unsigned<T: TryFrom<i64, Error: Display>>(
        &self,
        column: &'static str,
        number: i64,
    ) -> Result<T> {
        number.try_into().map_err(|error| self.corrupt(column, format!("{number}: {error}")))
    }

    /// Reads a SHA-256.
    pub fn digest(&self, column: &'static str, bytes: &[u8]) -> Result<ModuleDigest> {
        match bytes.try_into() {
            Ok(bytes) => Ok(ModuleDigest(bytes)),
            Err(_) => Err(self.corrupt(column, format!("{} bytes, not 32", bytes.len()))),
        }
    }

    /// Reads what [`to_json`] wrote.
    pub fn json<T: DeserializeOwned>(&self, column: &'static str, mut json: Value) -> Result<T> {
        rewrite_strings(&mut json, &unescaped);
        serde_json::from_value(json).map_err(|error| self.corrupt(column, error))
    }

    /// Reads a part of the JSON text of a column.
    pub fn json_text<T: DeserializeOwned>(&self, column: &'static str, text: &str) -> Result<T> {
        let json = serde_json::from_str(text).map_err(|error| self.corrupt(column, error))?;
        self.json(column, json)
    }

    /// Reads what [`attributes_to_json`] wrote, and the tags.
    pub fn attributes(
        &self,
        memo: Option<Value>,
        search_attributes: Option<Value>,
        tags: impl IntoIterator<Item = String>,
    ) -> Result<RunAttributes> {
        let memo = memo.map(|memo| self.json("memo", memo)).transpose()?;
        let searched = search_attributes.map(|searched| self.json("search_attributes", searched));
        Ok(RunAttributes {
            memo: memo.unwrap_or_default(),
            search_attributes: searched.transpose()?.unwrap_or_default(),
            tags: tags.into_iter().map(|tag| self.parse("tag", &tag)).collect::<Result<_>>()?,
        })
    }

    /// Reads the parent and the root of a child; none of a run that is no child, and in rows
    /// of a version that did not write them.
    pub fn parent(
        &self,
        parent: Option<(String, Uuid)>,
        root: Option<(String, Uuid)>,
    ) -> Result<Option<ParentRun>> {
        let Some((workflow_id, run_id)) = parent else { return Ok(None) };
        let Some((root_workflow_id, root_run_id)) = root else {
            return Err(self.corrupt("root_run_id", "missing, but there is a parent"));
        };
        Ok(Some(ParentRun {
            workflow_id: self.parse("parent_workflow_id", &workflow_id)?,
            run_id: RunId(run_id),
            root: RootExecution {
                workflow_id: self.parse("root_workflow_id", &root_workflow_id)?,
                run_id: RunId(root_run_id),
            },
        }))
    }

    /// Reads what [`history_size_columns`] wrote.
    pub fn history_size(
        &self,
        length: Option<i64>,
        bytes: Option<i64>,
    ) -> Result<Option<HistorySize>> {
        let Some((length, bytes)) = length.zip(bytes) else { return Ok(None) };
        let events = self.unsigned("history_length", length)?;
        Ok(Some(HistorySize { events, bytes: self.unsigned("history_bytes", bytes)? }))
    }

    /// Reads an event: what [`event_to_json`] wrote, its type and its payload.
    pub fn event(
        &self,
        event_type: &str,
        attributes: &str,
        payload: Option<Vec<u8>>,
    ) -> Result<EventAttributes> {
        let Some(json) = with_type(attributes, event_type) else {
            return Err(self.corrupt("attributes", "not a JSON object"));
        };
        let unreadable = |error| self.corrupt("attributes", error);
        let mut attributes: EventAttributes = if needs_rewriting(&json) {
            self.json("attributes", serde_json::from_str(&json).map_err(unreadable)?)?
        } else {
            serde_json::from_str(&json).map_err(unreadable)?
        };
        match (attributes.payload().is_some(), payload) {
            (true, Some(payload)) => attributes.set_payload(Payload::from(payload)),
            (false, None) => {}
            (true, None) => return Err(self.corrupt("payload", "missing")),
            (false, Some(_)) => {
                return Err(self.corrupt("payload", "present, but the type has none"));
            }
        }
        Ok(attributes)
    }
}

/// Replaces the strings and keys of a JSON value for which there is another.
fn rewrite_strings(json: &mut Value, rewritten: &dyn Fn(&str) -> Option<String>) {
    match json {
        Value::String(text) => {
            if let Some(other) = rewritten(text) {
                *text = other;
            }
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|item| rewrite_strings(item, rewritten));
        }
        Value::Object(fields) => {
            fields.values_mut().for_each(|value| rewrite_strings(value, rewritten));
            if fields.keys().any(|key| rewritten(key).is_some()) {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(key, value)| (rewritten(&key).unwrap_or(key), value))
                    .collect::<Map<_, _>>();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn escaped(text: &str) -> Option<String> {
    if !text.contains(['\0', ESCAPE]) {
        return None;
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => escaped.extend([ESCAPE, ESCAPED_NUL]),
            ESCAPE => escaped.extend([ESCAPE, ESCAPE]),
            other => escaped.push(other),
        }
    }
    Some(escaped)
}

/// The reverse of [`escaped`]. A text that it can't have written is kept as it
/// is: someone has edited the row, and a visible mark is better than a lost run.
fn unescaped(text: &str) -> Option<String> {
    if !text.contains(ESCAPE) {
        return None;
    }
    let mut unescaped = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, (character == ESCAPE).then(|| characters.next())) {
            (_, Some(Some(ESCAPED_NUL))) => unescaped.push('\0'),
            (_, Some(Some(ESCAPE))) => unescaped.push(ESCAPE),
            (_, Some(after)) => {
                unescaped.push(ESCAPE);
                unescaped.extend(after);
            }
            (other, None) => unescaped.push(other),
        }
    }
    Some(unescaped)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_string_comes_back_and_none_is_stored_with_a_nul() {
        let texts = ["", "plain", "\0", "\u{10}", "\u{10}0", "\0\u{10}\0", "a\0b\u{10}\u{10}c"];
        for text in texts {
            let map = BTreeMap::from([(text.to_owned(), vec![text.to_owned()])]);
            let json = to_json(&map);
            assert!(!json.to_string().contains("\\u0000"), "{json}");
            let row = RowName { table: "t", key: &"k" };
            assert_eq!(row.json::<BTreeMap<String, Vec<String>>>("c", json).expect("reads"), map);
        }
    }

    #[test]
    fn an_ordinary_string_is_stored_as_it_is() {
        assert_eq!(to_json(&"back\\slash \u{1} ü"), Value::from("back\\slash \u{1} ü"));
    }

    #[test]
    fn a_foreign_escape_stays_visible() {
        assert_eq!(unescaped("a\u{10}x\u{10}").as_deref(), Some("a\u{10}x\u{10}"));
    }
}
