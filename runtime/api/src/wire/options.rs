//! How runs are to run, and what is said about them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dacapo_model::attributes::{self as model, RunAttributes};
use dacapo_model::json::Json;
use dacapo_model::limits::TIMER_MAX;
use dacapo_model::retry;
use dacapo_model::tag::{Tag, Tags};
use dacapo_model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::payload::RawJson;
use crate::error::ApiError;

/// A typed value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", content = "value", deny_unknown_fields)]
pub(crate) enum SearchAttribute {
    /// True or false.
    Bool(bool),
    /// A point in time.
    #[schema(value_type = String, format = DateTime)]
    Datetime(Timestamp),
    /// A number.
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

/// When and how often a failed run or activity is tried again. What is absent has its default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryOptions {
    /// Wait before the second attempt; 1 s if absent.
    #[serde(default)]
    initial_interval_seconds: Option<f64>,
    /// Factor from one wait to the next, at least 1; 2 if absent.
    #[serde(default)]
    backoff_coefficient: Option<f64>,
    /// No wait is longer than this; 100 times the first if absent.
    #[serde(default)]
    maximum_interval_seconds: Option<f64>,
    /// Attempts in total; 0, the default, means no limit.
    #[serde(default)]
    maximum_attempts: u32,
    /// Failure types after which it is not tried again.
    #[serde(default)]
    non_retryable_types: Vec<String>,
}

impl From<model::SearchAttribute> for SearchAttribute {
    fn from(value: model::SearchAttribute) -> Self {
        match value {
            model::SearchAttribute::Bool(value) => Self::Bool(value),
            model::SearchAttribute::Datetime(value) => Self::Datetime(value),
            model::SearchAttribute::Double(value) => Self::Double(value),
            model::SearchAttribute::Int(value) => Self::Int(value),
            model::SearchAttribute::Keyword(value) => Self::Keyword(value),
            model::SearchAttribute::Text(value) => Self::Text(value),
            model::SearchAttribute::KeywordList(value) => Self::KeywordList(value),
        }
    }
}

impl From<SearchAttribute> for model::SearchAttribute {
    fn from(value: SearchAttribute) -> Self {
        match value {
            SearchAttribute::Bool(value) => Self::Bool(value),
            SearchAttribute::Datetime(value) => Self::Datetime(value),
            SearchAttribute::Double(value) => Self::Double(value),
            SearchAttribute::Int(value) => Self::Int(value),
            SearchAttribute::Keyword(value) => Self::Keyword(value),
            SearchAttribute::Text(value) => Self::Text(value),
            SearchAttribute::KeywordList(value) => Self::KeywordList(value),
        }
    }
}

/// As it is shown: byte for byte as it was said.
pub(crate) fn show_memo(memo: model::Memo) -> BTreeMap<String, RawJson> {
    memo.into_iter().map(|(name, value)| (name, value.into())).collect()
}

/// As they are shown.
pub(crate) fn show_search_attributes(
    attributes: model::SearchAttributes,
) -> BTreeMap<String, SearchAttribute> {
    attributes.into_iter().map(|(name, value)| (name, value.into())).collect()
}

/// Tags, a memo and search attributes, each of which is `{"type": ..., "value": ...}` or
/// plain JSON; and the names of those that are, which take the registered type.
pub(crate) fn attributes(
    memo: BTreeMap<String, Box<RawValue>>,
    search_attributes: BTreeMap<String, Box<RawValue>>,
    tags: Vec<String>,
) -> Result<(RunAttributes, BTreeSet<String>), ApiError> {
    let is_plain = |value: &RawValue| !value.get().starts_with('{');
    let inferred = search_attributes.iter().filter(|(_, value)| is_plain(value));
    let inferred = inferred.map(|(name, _)| name.clone()).collect();
    let memo = memo.into_iter().map(|(name, value)| (name, Json::of_raw(&value))).collect();
    let read = |(name, value): (String, Box<RawValue>)| match search_attribute(value.get()) {
        Ok(value) => Ok((name, value)),
        Err(problem) => Err(ApiError::invalid_argument(format!(
            "search attribute `{name}` {problem}: it is true, false, a number, a text, a list of \
             texts, or an object of `type` (Bool, Datetime, Double, Int, Keyword, Text or \
             KeywordList) and `value`"
        ))),
    };
    let search_attributes =
        search_attributes.into_iter().map(read).collect::<Result<_, ApiError>>()?;
    Ok((RunAttributes { memo, search_attributes, tags: read_tags(tags)? }, inferred))
}

/// Each of them may be there twice.
pub(crate) fn read_tags(tags: Vec<String>) -> Result<Tags, ApiError> {
    let tag = |tag| Tag::new(tag).map_err(|error| ApiError::invalid_argument(error.to_string()));
    tags.into_iter().map(tag).collect()
}

fn search_attribute(json: &str) -> Result<model::SearchAttribute, String> {
    let unreadable = |error: serde_json::Error| format!("can't be read ({error})");
    if json.starts_with('{') {
        return serde_json::from_str::<SearchAttribute>(json).map(Into::into).map_err(unreadable);
    }
    // As JSON it may be any number, and as a tree it would have become another one.
    let is_whole = json.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
    if is_whole && json.parse::<i64>().is_err() {
        return Err("has more digits than an Int (64 bits): it may be a Keyword, or a Double if \
                    its last digits do not matter"
            .to_owned());
    }
    let value: Value = serde_json::from_str(json).map_err(unreadable)?;
    model::SearchAttribute::inferred(&value).ok_or_else(|| "has no type".to_owned())
}

/// A length of time that was asked for in seconds.
pub(crate) fn duration(name: &str, seconds: Option<f64>) -> Result<Option<Duration>, ApiError> {
    let Some(seconds) = seconds else {
        return Ok(None);
    };
    let max = TIMER_MAX.as_secs_f64();
    // Rules out what is not a number, too.
    if (0.0..=max).contains(&seconds) {
        return Ok(Some(Duration::from_secs_f64(seconds)));
    }
    Err(ApiError::invalid_argument(format!(
        "{name} is a number of seconds from 0 to {max}, not {seconds}"
    )))
}

impl RetryOptions {
    pub(crate) fn into_policy(self) -> Result<retry::RetryPolicy, ApiError> {
        let default = retry::RetryPolicy::default();
        let initial = duration("initial_interval_seconds", self.initial_interval_seconds)?;
        let initial_interval = initial.unwrap_or(default.initial_interval);
        let maximum = duration("maximum_interval_seconds", self.maximum_interval_seconds)?;
        Ok(retry::RetryPolicy {
            initial_interval,
            backoff_coefficient: self.backoff_coefficient.unwrap_or(default.backoff_coefficient),
            maximum_interval: maximum
                .unwrap_or_else(|| retry::RetryPolicy::maximum_interval_of(initial_interval)),
            maximum_attempts: self.maximum_attempts,
            non_retryable_types: self.non_retryable_types,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_search_attribute_names_its_type_or_shows_it() {
        for (value, expected) in [
            (json!(17), model::SearchAttribute::Int(17)),
            (json!({"type": "Double", "value": 17}), model::SearchAttribute::Double(17.0)),
            (json!({"type": "Text", "value": "a b"}), model::SearchAttribute::Text("a b".into())),
            (
                json!({"type": "Datetime", "value": "1970-01-01T00:00:01Z"}),
                model::SearchAttribute::Datetime(Timestamp::from_micros(1_000_000)),
            ),
        ] {
            assert_eq!(search_attribute(&value.to_string()), Ok(expected), "{value}");
        }
        for refused in [
            "null",
            r#"{"type": "Int", "value": "17"}"#,
            r#"{"type": "Int", "value": 9223372036854775808}"#,
            r#"{"type": "Bytes", "value": "17"}"#,
            r#"{"type": "Text", "value": "a", "valeu": 1}"#,
            r#"{"type": "Double", "value": 1e999}"#,
            r#"{"a": 1}"#,
            "9223372036854775808",
            "12345678901234567890123",
            "1e999",
        ] {
            assert!(search_attribute(refused).is_err(), "{refused}");
        }
        assert_eq!(
            search_attribute("-9223372036854775808"),
            Ok(model::SearchAttribute::Int(i64::MIN))
        );
        assert_eq!(search_attribute("1e22"), Ok(model::SearchAttribute::Double(1e22)));
    }

    #[test]
    fn a_retry_policy_has_the_usual_defaults() {
        let read = |text: &str| {
            let options: RetryOptions = serde_json::from_str(text).expect("readable");
            options.into_policy().expect("valid")
        };
        assert_eq!(read("{}"), retry::RetryPolicy::default());
        let slow = read(r#"{"initial_interval_seconds": 2, "maximum_attempts": 3}"#);
        assert_eq!(slow.maximum_interval, Duration::from_secs(200));
        assert_eq!(slow.maximum_attempts, 3);
    }
}
