//! What callers and workflows say about a run, for people and lists: a memo,
//! search attributes, which have types, and tags.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json::Json;
use crate::limits::{
    ID_BYTES_MAX, MEMO_BYTES_MAX, MEMO_DEPTH_MAX, SEARCH_ATTRIBUTE_BYTES_MAX,
    SEARCH_ATTRIBUTES_BYTES_MAX, SEARCH_ATTRIBUTES_MAX, TAGS_MAX,
};
use crate::search_attribute::SearchAttributeType;
use crate::tag::{TagChanges, Tags};
use crate::time::Timestamp;

/// JSON by name, which nothing looks into.
pub type Memo = BTreeMap<String, Json>;

/// Typed values by name.
pub type SearchAttributes = BTreeMap<String, SearchAttribute>;

/// One typed value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value")]
pub enum SearchAttribute {
    /// True or false.
    Bool(bool),
    /// A point in time.
    Datetime(Timestamp),
    /// A finite number.
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

/// Why attributes are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAttributes {
    /// A name that is empty, too long, or has control characters.
    #[error(
        "`{name}` can't name an attribute: a name has 1 to {ID_BYTES_MAX} bytes and no control \
         characters"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// A time that has no form in RFC 3339.
    #[error(
        "search attribute `{name}` is not in the years 0 to 9999: other times have no form in \
         RFC 3339"
    )]
    OutOfCalendar {
        /// Its name.
        name: String,
    },
    /// A number that JSON can't hold.
    #[error("search attribute `{name}` is not a finite number")]
    NotFinite {
        /// Its name.
        name: String,
    },
    /// Too many attributes.
    #[error(
        "the run would have {count} search attributes; at most {SEARCH_ATTRIBUTES_MAX} are allowed"
    )]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// Too many tags.
    #[error("the run would have {count} tags; at most {TAGS_MAX} are allowed")]
    TooManyTags {
        /// How many there are.
        count: usize,
    },
    /// One value is too large.
    #[error(
        "search attribute `{name}` has {bytes} bytes; at most {SEARCH_ATTRIBUTE_BYTES_MAX} are \
         allowed"
    )]
    ValueTooLarge {
        /// Its name.
        name: String,
        /// Its size.
        bytes: usize,
    },
    /// All values together are too large.
    #[error(
        "the search attributes have {bytes} bytes together; at most \
         {SEARCH_ATTRIBUTES_BYTES_MAX} are allowed"
    )]
    TooLarge {
        /// Their size.
        bytes: usize,
    },
    /// The memo is too large.
    #[error("the memo has {bytes} bytes; at most {MEMO_BYTES_MAX} are allowed")]
    MemoTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A value of the memo is nested too deeply.
    #[error("memo `{name}` is nested more than {MEMO_DEPTH_MAX} levels deep")]
    MemoTooDeep {
        /// Its name.
        name: String,
    },
}

impl SearchAttribute {
    /// The attribute that plain JSON stands for: true, a number, a text, a list
    /// of texts. None for anything else.
    pub fn inferred(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(Self::Bool(*value)),
            // A whole number that is too large for one is not another number instead.
            Value::Number(number) if number.is_u64() => number.as_i64().map(Self::Int),
            Value::Number(number) => {
                number.as_i64().map(Self::Int).or_else(|| number.as_f64().map(Self::Double))
            }
            Value::String(text) => Some(Self::Keyword(text.clone())),
            Value::Array(items) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<Vec<String>>>()
                .map(Self::KeywordList),
            Value::Null | Value::Object(_) => None,
        }
    }

    /// Its type.
    pub fn attribute_type(&self) -> SearchAttributeType {
        match self {
            Self::Bool(_) => SearchAttributeType::Bool,
            Self::Datetime(_) => SearchAttributeType::Datetime,
            Self::Double(_) => SearchAttributeType::Double,
            Self::Int(_) => SearchAttributeType::Int,
            Self::Keyword(_) => SearchAttributeType::Keyword,
            Self::Text(_) => SearchAttributeType::Text,
            Self::KeywordList(_) => SearchAttributeType::KeywordList,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Bool(_) => 1,
            Self::Datetime(_) | Self::Double(_) | Self::Int(_) => 8,
            Self::Keyword(text) | Self::Text(text) => text.len(),
            Self::KeywordList(texts) => texts.iter().map(String::len).sum(),
        }
    }

    /// Equal, but for what a number loses on its way through a database.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Double(a), Self::Double(b)) => is_same_number(*a, *b),
            (a, b) => a == b,
        }
    }
}

/// A memo, search attributes and tags.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunAttributes {
    /// For people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub memo: Memo,
    /// For lists.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub search_attributes: SearchAttributes,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: Tags,
}

impl RunAttributes {
    /// True if nothing was said.
    pub fn is_empty(&self) -> bool {
        self.memo.is_empty() && self.search_attributes.is_empty() && self.tags.is_empty()
    }

    /// Bytes of names and values.
    pub fn bytes(&self) -> usize {
        let memo = self.memo.iter().map(|(name, value)| name.len() + json_bytes(value));
        let searched = self.search_attributes.iter();
        let searched = searched.map(|(name, value)| name.len() + value.bytes());
        let tags = self.tags.iter().map(|tag| tag.as_str().len());
        memo.chain(searched).chain(tags).fold(0, usize::saturating_add)
    }

    /// Whether these are the attributes that a history recorded; see
    /// [`AttributeChanges::is_same`].
    pub fn is_same(&self, recorded: &Self) -> bool {
        same_entries(&self.memo, &recorded.memo, is_same_json)
            && same_entries(
                &self.search_attributes,
                &recorded.search_attributes,
                SearchAttribute::is_same,
            )
            && self.tags == recorded.tags
    }

    /// Sets what the changes set, and removes what they remove.
    pub fn apply(&mut self, changes: &AttributeChanges) {
        apply(&mut self.memo, &changes.memo);
        apply(&mut self.search_attributes, &changes.search_attributes);
        changes.tags.apply(&mut self.tags);
    }

    /// Refuses what is more than one run may have.
    pub fn check(&self) -> Result<(), InvalidAttributes> {
        for name in self.memo.keys().chain(self.search_attributes.keys()) {
            check_name(name)?;
        }
        for (name, value) in &self.memo {
            if !value.is_within_depth(MEMO_DEPTH_MAX) {
                return Err(InvalidAttributes::MemoTooDeep { name: name.clone() });
            }
        }
        if self.tags.len() > TAGS_MAX {
            return Err(InvalidAttributes::TooManyTags { count: self.tags.len() });
        }
        let bytes = self.memo.iter().map(|(name, value)| name.len() + json_bytes(value)).sum();
        if bytes > MEMO_BYTES_MAX {
            return Err(InvalidAttributes::MemoTooLarge { bytes });
        }
        self.check_search_attributes()
    }

    fn check_search_attributes(&self) -> Result<(), InvalidAttributes> {
        let count = self.search_attributes.len();
        if count > SEARCH_ATTRIBUTES_MAX {
            return Err(InvalidAttributes::TooMany { count });
        }
        let mut all = 0;
        for (name, value) in &self.search_attributes {
            let bytes = value.bytes();
            all += name.len() + bytes;
            if matches!(value, SearchAttribute::Datetime(time) if !time.is_rfc_3339()) {
                return Err(InvalidAttributes::OutOfCalendar { name: name.clone() });
            }
            if matches!(value, SearchAttribute::Double(number) if !number.is_finite()) {
                return Err(InvalidAttributes::NotFinite { name: name.clone() });
            }
            if bytes > SEARCH_ATTRIBUTE_BYTES_MAX {
                return Err(InvalidAttributes::ValueTooLarge { name: name.clone(), bytes });
            }
        }
        if all > SEARCH_ATTRIBUTES_BYTES_MAX {
            return Err(InvalidAttributes::TooLarge { bytes: all });
        }
        Ok(())
    }
}

/// What to set and, where the value is none, to remove.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AttributeChanges {
    /// Of the memo.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub memo: BTreeMap<String, Option<Json>>,
    /// Of the search attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub search_attributes: BTreeMap<String, Option<SearchAttribute>>,
    /// Of the tags.
    #[serde(default, skip_serializing_if = "TagChanges::is_empty")]
    pub tags: TagChanges,
}

impl AttributeChanges {
    /// True if nothing changes.
    pub fn is_empty(&self) -> bool {
        self.memo.is_empty() && self.search_attributes.is_empty() && self.tags.is_empty()
    }

    /// Bytes of names and values.
    pub fn bytes(&self) -> usize {
        let memo = self.memo.iter();
        let memo = memo.map(|(name, value)| name.len() + value.as_ref().map_or(0, json_bytes));
        let searched = self.search_attributes.iter();
        let searched = searched
            .map(|(name, value)| name.len() + value.as_ref().map_or(0, SearchAttribute::bytes));
        memo.chain(searched).fold(self.tags.bytes(), usize::saturating_add)
    }

    /// Whether these are the changes that a history recorded. Databases keep
    /// numbers of JSON in a form of their own, so those need not be identical.
    pub fn is_same(&self, recorded: &Self) -> bool {
        same_entries(&self.memo, &recorded.memo, same_option(is_same_json))
            && same_entries(
                &self.search_attributes,
                &recorded.search_attributes,
                same_option(SearchAttribute::is_same),
            )
            && self.tags == recorded.tags
    }
}

fn apply<T: Clone>(values: &mut BTreeMap<String, T>, changes: &BTreeMap<String, Option<T>>) {
    for (name, value) in changes {
        match value {
            Some(value) => values.insert(name.clone(), value.clone()),
            None => values.remove(name),
        };
    }
}

fn same_entries<T>(
    ours: &BTreeMap<String, T>,
    theirs: &BTreeMap<String, T>,
    same: impl Fn(&T, &T) -> bool,
) -> bool {
    ours.len() == theirs.len()
        && ours
            .iter()
            .zip(theirs)
            .all(|((name, value), (other_name, other))| name == other_name && same(value, other))
}

fn same_option<T>(same: impl Fn(&T, &T) -> bool) -> impl Fn(&Option<T>, &Option<T>) -> bool {
    move |ours, theirs| match (ours, theirs) {
        (Some(ours), Some(theirs)) => same(ours, theirs),
        (None, None) => true,
        _ => false,
    }
}

fn is_same_json(ours: &Json, theirs: &Json) -> bool {
    ours.is_same(theirs, is_same_number)
}

/// A few units in the last place apart at most.
fn is_same_number(ours: f64, theirs: f64) -> bool {
    (ours - theirs).abs() <= ours.abs() * 4.0 * f64::EPSILON
}

fn check_name(name: &str) -> Result<(), InvalidAttributes> {
    if name.is_empty() || name.len() > ID_BYTES_MAX || name.contains(char::is_control) {
        let shown = &name[..name.floor_char_boundary(ID_BYTES_MAX)];
        return Err(InvalidAttributes::Name { name: shown.escape_debug().to_string() });
    }
    Ok(())
}

fn json_bytes(value: &Json) -> usize {
    value.as_str().len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn searched(name: &str, value: SearchAttribute) -> RunAttributes {
        let search_attributes = [(name.to_owned(), value)].into();
        RunAttributes { search_attributes, ..RunAttributes::default() }
    }

    fn remembered(name: &str, value: Value) -> RunAttributes {
        let memo = [(name.to_owned(), value.into())].into();
        RunAttributes { memo, ..RunAttributes::default() }
    }

    #[test]
    fn plain_json_has_a_type_where_it_can_have_one() {
        for (value, expected) in [
            (json!(true), Some(SearchAttribute::Bool(true))),
            (json!(-7), Some(SearchAttribute::Int(-7))),
            (json!(1.5), Some(SearchAttribute::Double(1.5))),
            (json!("gold"), Some(SearchAttribute::Keyword("gold".to_owned()))),
            (
                json!(["a", "b"]),
                Some(SearchAttribute::KeywordList(vec!["a".to_owned(), "b".to_owned()])),
            ),
            (json!(u64::MAX), None),
            (json!([1]), None),
            (json!(null), None),
            (json!({"a": 1}), None),
        ] {
            assert_eq!(SearchAttribute::inferred(&value), expected, "{value}");
        }
    }

    #[test]
    fn a_value_is_written_with_its_type() {
        let value = SearchAttribute::Datetime(Timestamp::from_micros(0));
        let text = serde_json::to_string(&value).expect("serialises");
        assert_eq!(text, r#"{"type":"Datetime","value":"1970-01-01T00:00:00.000000Z"}"#);
        assert_eq!(serde_json::from_str::<SearchAttribute>(&text).expect("parses"), value);
    }

    #[test]
    fn changes_set_and_remove() {
        let mut attributes = remembered("note", json!("x"));
        let changes = AttributeChanges {
            memo: [("note".to_owned(), None), ("other".to_owned(), Some(1.into()))].into(),
            search_attributes: [("vip".to_owned(), Some(SearchAttribute::Bool(true)))].into(),
            ..AttributeChanges::default()
        };
        attributes.apply(&changes);
        let mut expected = remembered("other", json!(1));
        expected.search_attributes = searched("vip", SearchAttribute::Bool(true)).search_attributes;
        assert_eq!(attributes, expected);
    }

    #[test]
    fn what_is_too_much_is_refused_at_its_limit() {
        let text = |bytes| SearchAttribute::Keyword("x".repeat(bytes));
        assert_eq!(searched("a", text(SEARCH_ATTRIBUTE_BYTES_MAX)).check(), Ok(()));
        let too_large = searched("a", text(SEARCH_ATTRIBUTE_BYTES_MAX + 1)).check();
        assert!(matches!(too_large, Err(InvalidAttributes::ValueTooLarge { .. })));

        let many = |count: usize| RunAttributes {
            search_attributes: (0..count)
                .map(|number| (format!("a{number:03}"), SearchAttribute::Bool(true)))
                .collect(),
            ..RunAttributes::default()
        };
        assert_eq!(many(SEARCH_ATTRIBUTES_MAX).check(), Ok(()));
        let too_many = many(SEARCH_ATTRIBUTES_MAX + 1).check();
        assert_eq!(too_many, Err(InvalidAttributes::TooMany { count: SEARCH_ATTRIBUTES_MAX + 1 }));

        let tagged = |count: usize| RunAttributes {
            tags: (0..count).map(|number| format!("t{number}").parse().expect("a tag")).collect(),
            ..RunAttributes::default()
        };
        assert_eq!(tagged(TAGS_MAX).check(), Ok(()));
        let too_many = tagged(TAGS_MAX + 1).check();
        assert_eq!(too_many, Err(InvalidAttributes::TooManyTags { count: TAGS_MAX + 1 }));

        let note = |bytes: usize| remembered("n", json!("x".repeat(bytes - 3)));
        assert_eq!(note(MEMO_BYTES_MAX).check(), Ok(()));
        let too_large = note(MEMO_BYTES_MAX + 1).check();
        assert_eq!(too_large, Err(InvalidAttributes::MemoTooLarge { bytes: MEMO_BYTES_MAX + 1 }));

        let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(remembered("n", nested(MEMO_DEPTH_MAX)).check(), Ok(()));
        let too_deep = remembered("n", nested(MEMO_DEPTH_MAX + 1)).check();
        assert!(matches!(too_deep, Err(InvalidAttributes::MemoTooDeep { .. })));

        assert!(searched("", SearchAttribute::Bool(true)).check().is_err());
        assert!(searched("a\0", SearchAttribute::Bool(true)).check().is_err());
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let refused = searched("a", SearchAttribute::Double(number)).check();
            assert!(matches!(refused, Err(InvalidAttributes::NotFinite { .. })), "{number}");
        }
        for number in [-0.0, f64::MAX, f64::MIN_POSITIVE, 5e-324] {
            assert_eq!(searched("a", SearchAttribute::Double(number)).check(), Ok(()), "{number}");
        }
        let at = |micros| SearchAttribute::Datetime(Timestamp::from_micros(micros));
        // The last microseconds of the years 9999 and -1, and those that follow.
        let (last, first) = (253_402_300_799_999_999, -62_167_219_200_000_000);
        for micros in [first, 0, last] {
            assert_eq!(searched("a", at(micros)).check(), Ok(()));
        }
        for micros in [i64::MIN, first - 1, last + 1, i64::MAX] {
            let refused = searched("a", at(micros)).check();
            assert!(matches!(refused, Err(InvalidAttributes::OutOfCalendar { .. })), "{micros}");
        }
    }

    #[test]
    fn numbers_are_the_same_also_in_the_form_of_a_database() {
        let change = |value: Value| AttributeChanges {
            memo: [("n".to_owned(), Some(value.into()))].into(),
            ..AttributeChanges::default()
        };
        assert!(change(json!(1e16)).is_same(&change(json!(10_000_000_000_000_000_u64))));
        assert!(change(json!([{"a": 0.1}])).is_same(&change(json!([{"a": 0.1}]))));
        assert!(!change(json!([{"a": 0.1}])).is_same(&change(json!([{"a": 0.2}]))));
        assert!(!change(json!("1")).is_same(&change(json!(1))));
        assert!(!change(json!(1)).is_same(&AttributeChanges::default()));
    }
}
