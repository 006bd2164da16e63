//! The search attributes that a namespace has registered: their names, and the type of each.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::attributes::{AttributeChanges, SearchAttribute};
use crate::ids::NamespaceName;
use crate::limits::SEARCH_ATTRIBUTE_NAME_BYTES_MAX;
use crate::text::shown;
use crate::time::Timestamp;

/// The type of a search attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchAttributeType {
    /// True or false.
    Bool,
    /// A point in time.
    Datetime,
    /// A finite number.
    Double,
    /// A whole number.
    Int,
    /// A text that is compared whole.
    Keyword,
    /// Several texts that are compared whole.
    KeywordList,
    /// A text that is looked into.
    Text,
}

impl SearchAttributeType {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Bool,
        Self::Datetime,
        Self::Double,
        Self::Int,
        Self::Keyword,
        Self::KeywordList,
        Self::Text,
    ];

    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Datetime => "datetime",
            Self::Double => "double",
            Self::Int => "int",
            Self::Keyword => "keyword",
            Self::KeywordList => "keyword_list",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for SearchAttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is no type of a search attribute; the types are bool, datetime, double, int, \
     keyword, keyword_list and text"
)]
pub struct UnknownType {
    given: String,
}

impl FromStr for SearchAttributeType {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, UnknownType> {
        let named = Self::ALL.into_iter().find(|it| it.as_str() == text);
        named.ok_or_else(|| UnknownType { given: shown(text).into_owned() })
    }
}

/// Fields of runs that a filter knows without any registration.
const BUILT_IN_FIELDS: [&str; 17] = [
    "WorkflowId",
    "RunId",
    "WorkflowType",
    "ExecutionStatus",
    "StartTime",
    "ExecutionTime",
    "CloseTime",
    "ExecutionDuration",
    "HistoryLength",
    "HistorySizeBytes",
    "ParentWorkflowId",
    "RootWorkflowId",
    "ModuleName",
    "ModuleVersion",
    "ModuleDigest",
    "TaskQueue",
    "Tags",
];

/// What means something else in a filter, whatever its case.
const KEYWORDS: [&str; 15] = [
    "and",
    "or",
    "not",
    "in",
    "between",
    "is",
    "null",
    "like",
    "starts_with",
    "order",
    "by",
    "asc",
    "desc",
    "true",
    "false",
];

/// What names of the product itself begin with, whatever the case.
const RESERVED_PREFIXES: [&str; 2] = ["temporal", "dacapo"];

/// The name of a registered search attribute: what a filter can write without quotes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SearchAttributeName(String);

/// Why a text can't be the name of a registered search attribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// It is not written like an identifier.
    #[error(
        "{name:?} can't name a search attribute: a name has 1 to \
         {SEARCH_ATTRIBUTE_NAME_BYTES_MAX} letters of ASCII, digits and `_`, and does not begin \
         with a digit"
    )]
    Form {
        /// The name.
        name: String,
    },
    /// It means something else in a filter.
    #[error("`{name}` can't name a search attribute: it has a meaning of its own in filters")]
    Taken {
        /// The name.
        name: String,
    },
    /// It begins as names of the product do.
    #[error(
        "`{name}` can't name a search attribute: names that begin with `Temporal` or `dacapo` are \
         reserved"
    )]
    Reserved {
        /// The name.
        name: String,
    },
}

impl SearchAttributeName {
    /// Checks a name.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
        let name = name.into();
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let begins_well = name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
        let is_short = name.len() <= SEARCH_ATTRIBUTE_NAME_BYTES_MAX;
        if !(begins_well && is_short && name.bytes().all(is_part)) {
            return Err(InvalidName::Form { name: shown(&name).into_owned() });
        }
        let lower = name.to_ascii_lowercase();
        let is_field = BUILT_IN_FIELDS.iter().any(|field| field.eq_ignore_ascii_case(&name));
        if is_field || KEYWORDS.contains(&lower.as_str()) {
            return Err(InvalidName::Taken { name });
        }
        if RESERVED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
            return Err(InvalidName::Reserved { name });
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SearchAttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SearchAttributeName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::new(text)
    }
}

impl TryFrom<String> for SearchAttributeName {
    type Error = InvalidName;

    fn try_from(name: String) -> Result<Self, InvalidName> {
        Self::new(name)
    }
}

impl From<SearchAttributeName> for String {
    fn from(name: SearchAttributeName) -> Self {
        name.0
    }
}

/// One that a namespace has registered; a row of `search_attributes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredAttribute {
    /// Where.
    pub namespace: NamespaceName,
    /// Its name.
    pub name: SearchAttributeName,
    /// The type of its values.
    pub attribute_type: SearchAttributeType,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// The types of the attributes of one namespace, by name.
pub type SearchAttributeTypes = BTreeMap<String, SearchAttributeType>;

/// A value that does not fit what is registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitAttribute {
    /// Nothing is registered under the name.
    #[error("search attribute `{name}` is not registered in this namespace")]
    NotRegistered {
        /// Its name.
        name: String,
        /// The type of the value.
        given: SearchAttributeType,
    },
    /// It has another type.
    #[error("search attribute `{name}` is registered as {registered}, and its value is {given}")]
    OtherType {
        /// Its name.
        name: String,
        /// The type that is registered.
        registered: SearchAttributeType,
        /// The type of the value.
        given: SearchAttributeType,
    },
    /// It is a time that has no form in RFC 3339.
    #[error("search attribute `{name}` is not in the years 0 to 9999")]
    OutOfCalendar {
        /// Its name.
        name: String,
    },
}

impl UnfitAttribute {
    /// The attribute.
    pub fn name(&self) -> &str {
        match self {
            Self::NotRegistered { name, .. }
            | Self::OtherType { name, .. }
            | Self::OutOfCalendar { name } => name,
        }
    }
}

/// The value, if it has the type that is registered. One whose type was `inferred` from plain
/// JSON becomes what is registered, where it can be read as that.
pub fn fitted(
    types: &SearchAttributeTypes,
    name: &str,
    value: SearchAttribute,
    inferred: bool,
) -> Result<SearchAttribute, UnfitAttribute> {
    let given = value.attribute_type();
    let Some(registered) = types.get(name).copied() else {
        return Err(UnfitAttribute::NotRegistered { name: shown(name).into_owned(), given });
    };
    let unfit = || UnfitAttribute::OtherType { name: shown(name).into_owned(), registered, given };
    if given == registered {
        return Ok(value);
    }
    match inferred.then(|| read_as(registered, value)).flatten() {
        Some(SearchAttribute::Datetime(time)) if !time.is_rfc_3339() => {
            Err(UnfitAttribute::OutOfCalendar { name: shown(name).into_owned() })
        }
        read => read.ok_or_else(unfit),
    }
}

/// Whether changes that code asks for fit what is registered. What is removed may have any
/// name: it may have been registered when it was set.
pub fn check_changes(
    types: &SearchAttributeTypes,
    changes: &AttributeChanges,
) -> Result<(), UnfitAttribute> {
    for (name, value) in &changes.search_attributes {
        let Some(given) = value.as_ref().map(SearchAttribute::attribute_type) else { continue };
        match types.get(name).copied() {
            Some(registered) if registered == given => {}
            Some(registered) => {
                return Err(UnfitAttribute::OtherType {
                    name: shown(name).into_owned(),
                    registered,
                    given,
                });
            }
            None => {
                return Err(UnfitAttribute::NotRegistered {
                    name: shown(name).into_owned(),
                    given,
                });
            }
        }
    }
    Ok(())
}

fn read_as(registered: SearchAttributeType, value: SearchAttribute) -> Option<SearchAttribute> {
    match (registered, value) {
        // As JSON has them, these two are one.
        (SearchAttributeType::Double, SearchAttribute::Int(number)) => {
            serde_json::from_str(&number.to_string()).ok().map(SearchAttribute::Double)
        }
        (SearchAttributeType::Text, SearchAttribute::Keyword(text)) => {
            Some(SearchAttribute::Text(text))
        }
        (SearchAttributeType::KeywordList, SearchAttribute::Keyword(text)) => {
            Some(SearchAttribute::KeywordList(vec![text]))
        }
        (SearchAttributeType::Datetime, SearchAttribute::Keyword(text)) => {
            let time = serde_json::from_value(Value::String(text));
            time.ok().map(SearchAttribute::Datetime)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_shown_and_read_as_one_text_everywhere() {
        for it in SearchAttributeType::ALL {
            assert_eq!(it.as_str().parse(), Ok(it));
            assert_eq!(serde_json::to_value(it).expect("serialises"), it.as_str());
        }
        assert!("Keyword".parse::<SearchAttributeType>().is_err());
    }

    #[test]
    fn a_name_is_what_a_filter_can_write_without_quotes() {
        let longest = "a".repeat(SEARCH_ATTRIBUTE_NAME_BYTES_MAX);
        for name in ["CustomerId", "tier", "_a1", "Order", "Ordering", &longest] {
            let is_keyword = name.eq_ignore_ascii_case("order");
            assert_eq!(SearchAttributeName::new(name).is_err(), is_keyword, "{name}");
        }
        let too_long = "a".repeat(SEARCH_ATTRIBUTE_NAME_BYTES_MAX + 1);
        for name in ["", "1a", "a-b", "a b", "a.b", "ä", "a\n", &too_long] {
            let refused = SearchAttributeName::new(name).expect_err("no identifier");
            assert!(matches!(refused, InvalidName::Form { .. }), "{name}");
        }
        for name in ["WorkflowId", "workflowid", "Tags", "AND", "starts_with"] {
            let refused = SearchAttributeName::new(name).expect_err("it is taken");
            assert!(matches!(refused, InvalidName::Taken { .. }), "{name}");
        }
        for name in ["TemporalChangeVersion", "dacapo_x", "DacapoX"] {
            let refused = SearchAttributeName::new(name).expect_err("it is reserved");
            assert!(matches!(refused, InvalidName::Reserved { .. }), "{name}");
        }
    }

    fn types() -> SearchAttributeTypes {
        SearchAttributeType::ALL.into_iter().map(|it| (it.to_string(), it)).collect()
    }

    #[test]
    fn plain_json_becomes_what_is_registered_and_a_type_that_was_named_does_not() {
        let text = |text: &str| SearchAttribute::Keyword(text.to_owned());
        let time = Timestamp::from_micros(1_000_000);
        for (name, value, expected) in [
            ("double", SearchAttribute::Int(17), SearchAttribute::Double(17.0)),
            ("text", text("a b"), SearchAttribute::Text("a b".to_owned())),
            ("datetime", text("1970-01-01T00:00:01Z"), SearchAttribute::Datetime(time)),
            ("keyword_list", text("a"), SearchAttribute::KeywordList(vec!["a".to_owned()])),
        ] {
            assert_eq!(fitted(&types(), name, value.clone(), true), Ok(expected), "{name}");
            assert!(fitted(&types(), name, value, false).is_err(), "{name}");
        }
        for (name, value) in [
            ("int", SearchAttribute::Double(1.5)),
            ("datetime", text("yesterday")),
            ("bool", text("true")),
            ("keyword", SearchAttribute::KeywordList(Vec::new())),
        ] {
            assert!(fitted(&types(), name, value, true).is_err(), "{name}");
        }
    }

    #[test]
    fn what_does_not_fit_says_what_is_registered() {
        let unfit = fitted(&types(), "int", SearchAttribute::Bool(true), true);
        let message = unfit.expect_err("another type").to_string();
        assert_eq!(message, "search attribute `int` is registered as int, and its value is bool");
        for text in ["+10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00"]
        {
            let unfit =
                fitted(&types(), "datetime", SearchAttribute::Keyword(text.to_owned()), true);
            let message = unfit.expect_err(text).to_string();
            assert_eq!(message, "search attribute `datetime` is not in the years 0 to 9999");
        }
        let unfit = fitted(&types(), "tier", SearchAttribute::Bool(true), true);
        let message = unfit.expect_err("not registered").to_string();
        assert_eq!(message, "search attribute `tier` is not registered in this namespace");
    }

    #[test]
    fn what_was_registered_once_can_still_be_removed() {
        let mut changes = AttributeChanges::default();
        changes.search_attributes.insert("gone".to_owned(), None);
        assert_eq!(check_changes(&types(), &changes), Ok(()));
        changes.search_attributes.insert("gone".to_owned(), Some(SearchAttribute::Int(1)));
        assert!(check_changes(&types(), &changes).is_err());
        let changes = AttributeChanges {
            search_attributes: [("int".to_owned(), Some(SearchAttribute::Int(1)))].into(),
            ..AttributeChanges::default()
        };
        assert_eq!(check_changes(&types(), &changes), Ok(()));
    }
}
