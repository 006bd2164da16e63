//! What a workflow says about its run: a memo for people, and search attributes,
//! which have types. Both are shown where runs are described and listed, and go
//! over to the runs that follow.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::dacapo::workflow::attributes as wit;
use crate::failure::Failure;
use crate::payload;
use crate::run::with_run;
use crate::time::{instant, nanos_since_1970};

/// The value of a search attribute.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SearchValue {
    /// True or false.
    Bool(bool),
    /// A point in time, from 1970 on, in whole microseconds.
    Datetime(SystemTime),
    /// A number; the run is blocked unless it is finite.
    Double(f64),
    /// A whole number.
    Int(i64),
    /// A text that is compared whole.
    Keyword(String),
    /// A text that is looked into.
    Text(String),
    /// Several texts that are compared whole.
    KeywordList(Vec<String>),
}

impl SearchValue {
    /// A text that is compared whole, such as a customer's number.
    pub fn keyword(text: impl Into<String>) -> Self {
        Self::Keyword(text.into())
    }

    /// A text that is looked into, such as a comment.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Several texts that are compared whole, such as labels.
    pub fn keywords<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::KeywordList(texts.into_iter().map(Into::into).collect())
    }

    fn from_wit(value: wit::SearchValue) -> Self {
        match value {
            wit::SearchValue::Boolean(value) => Self::Bool(value),
            wit::SearchValue::Datetime(nanos) => Self::Datetime(instant(nanos)),
            wit::SearchValue::Double(value) => Self::Double(value),
            wit::SearchValue::Integer(value) => Self::Int(value),
            wit::SearchValue::Keyword(text) => Self::Keyword(text),
            wit::SearchValue::Text(text) => Self::Text(text),
            wit::SearchValue::KeywordList(texts) => Self::KeywordList(texts),
        }
    }

    fn to_wit(&self) -> wit::SearchValue {
        match self.clone() {
            Self::Bool(value) => wit::SearchValue::Boolean(value),
            Self::Datetime(time) => wit::SearchValue::Datetime(nanos_since_1970(time)),
            Self::Double(value) => wit::SearchValue::Double(value),
            Self::Int(value) => wit::SearchValue::Integer(value),
            Self::Keyword(text) => wit::SearchValue::Keyword(text),
            Self::Text(text) => wit::SearchValue::Text(text),
            Self::KeywordList(texts) => wit::SearchValue::KeywordList(texts),
        }
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),+) => {
        $(impl From<$type> for SearchValue {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })+
    };
}

from! { bool => Bool, SystemTime => Datetime, f64 => Double, i64 => Int, i32 => Int, u32 => Int }

/// The value of the memo with this name, if there is one: as the start of the run
/// set it, or the workflow since. Fails if it is no `T`.
pub fn memo<T: DeserializeOwned>(name: &str) -> Result<Option<T>, Failure> {
    let host = with_run(|run| run.host());
    let value = host.memo().remove(name);
    let what = format_args!("memo `{name}`");
    value.map(|json| payload::decode_value(json.as_bytes(), what)).transpose()
}

/// Sets a value of the memo. The memo of a run has room for 32 KiB; one that would
/// have more is blocked.
///
/// ```no_run
/// # use dacapo::Failure;
/// # async fn workflow() -> Result<(), Failure> {
/// dacapo::upsert_memo("step", "waiting for approval")?;
/// # Ok(())
/// # }
/// ```
pub fn upsert_memo<T: Serialize + ?Sized>(
    name: impl Into<String>,
    value: &T,
) -> Result<(), Failure> {
    let mut changes = AttributeChanges::default();
    changes.set_memo(name.into(), &value)?;
    with_run(|run| run.host()).upsert_memo(&changes);
    Ok(())
}

/// Removes a value of the memo.
pub fn remove_memo(name: impl Into<String>) {
    let mut changes = AttributeChanges::default();
    changes.remove_memo(name.into());
    with_run(|run| run.host()).upsert_memo(&changes);
}

/// The search attributes of this run: as the start of the run set them, or the
/// workflow since.
pub fn search_attributes() -> BTreeMap<String, SearchValue> {
    with_run(|run| run.host()).search_attributes()
}

/// Sets search attributes. A run has room for 100 of them, with 2 KiB each and
/// 40 KiB together; one that would have more is blocked.
///
/// ```no_run
/// # use dacapo::SearchValue;
/// # async fn workflow() {
/// dacapo::upsert_search_attributes([
///     ("customer", SearchValue::keyword("c-17")),
///     ("cents", 1_999.into()),
///     ("labels", SearchValue::keywords(["gold", "trial"])),
/// ]);
/// # }
/// ```
pub fn upsert_search_attributes<N: Into<String>, V: Into<SearchValue>>(
    attributes: impl IntoIterator<Item = (N, V)>,
) {
    let set = |(name, value): (N, V)| (name.into(), Some(value.into()));
    change_search_attributes(attributes.into_iter().map(set));
}

/// Removes search attributes.
pub fn remove_search_attributes<N: Into<String>>(names: impl IntoIterator<Item = N>) {
    change_search_attributes(names.into_iter().map(|name| (name.into(), None)));
}

fn change_search_attributes(changes: impl Iterator<Item = (String, Option<SearchValue>)>) {
    let changes = AttributeChanges { search: changes.collect(), ..AttributeChanges::default() };
    if !changes.search.is_empty() {
        with_run(|run| run.host()).upsert_search_attributes(&changes);
    }
}

/// What to set and, where the value is none, to remove.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct AttributeChanges {
    /// JSON by name.
    pub(crate) memo: BTreeMap<String, Option<String>>,
    pub(crate) search: BTreeMap<String, Option<SearchValue>>,
}

impl AttributeChanges {
    pub(crate) fn set_memo(&mut self, name: String, value: &impl Serialize) -> Result<(), Failure> {
        let json = payload::encode_value(value, format_args!("memo `{name}`"))?;
        self.memo.insert(name, Some(String::from_utf8_lossy(&json).into_owned()));
        Ok(())
    }

    pub(crate) fn remove_memo(&mut self, name: String) {
        self.memo.insert(name, None);
    }

    pub(crate) fn set_search(&mut self, name: String, value: Option<SearchValue>) {
        self.search.insert(name, value);
    }

    pub(crate) fn memo_to_wit(&self) -> Vec<wit::MemoEntry> {
        let entry = |(name, value): (&String, &Option<String>)| wit::MemoEntry {
            name: name.clone(),
            value: value.clone(),
        };
        self.memo.iter().map(entry).collect()
    }

    pub(crate) fn search_to_wit(&self) -> Vec<wit::SearchAttribute> {
        let attribute = |(name, value): (&String, &Option<SearchValue>)| wit::SearchAttribute {
            name: name.clone(),
            value: value.as_ref().map(SearchValue::to_wit),
        };
        self.search.iter().map(attribute).collect()
    }
}

/// What the runtime says, without what it says has no value.
pub(crate) fn memo_from_wit(entries: Vec<wit::MemoEntry>) -> BTreeMap<String, String> {
    entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect()
}

pub(crate) fn search_from_wit(
    attributes: Vec<wit::SearchAttribute>,
) -> BTreeMap<String, SearchValue> {
    let value = |it: wit::SearchAttribute| Some((it.name, SearchValue::from_wit(it.value?)));
    attributes.into_iter().filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn values_survive_the_way_through_the_interface() {
        let values: Vec<SearchValue> = vec![
            true.into(),
            (SystemTime::UNIX_EPOCH + Duration::from_micros(17)).into(),
            1.5.into(),
            (-17).into(),
            SearchValue::keyword("a"),
            SearchValue::text("a b"),
            SearchValue::keywords(["a", "b"]),
        ];
        for value in values {
            assert_eq!(SearchValue::from_wit(value.to_wit()), value);
        }
    }

    #[test]
    fn what_is_removed_is_named_without_a_value() {
        let mut changes = AttributeChanges::default();
        changes.set_memo("note".to_owned(), &[1, 2]).expect("numbers are JSON");
        changes.remove_memo("old".to_owned());
        changes.set_search("vip".to_owned(), None);
        let memo: Vec<_> =
            changes.memo_to_wit().into_iter().map(|it| (it.name, it.value)).collect();
        assert_eq!(memo, [("note".to_owned(), Some("[1,2]".to_owned())), ("old".to_owned(), None)]);
        assert!(changes.search_to_wit()[0].value.is_none());
    }
}
