//! Flags that say how a run is to run.

use std::collections::BTreeMap;

use dacapo_model::tag::Tag;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// JSON by name, as it was written.
pub(in crate::commands) type Fields = BTreeMap<String, Box<RawValue>>;

/// Times, retries, and what is said about a run.
#[derive(Debug, clap::Args)]
pub(super) struct RunOptionFlags {
    /// End the run if it takes longer than so many seconds.
    #[arg(long, value_name = "SECONDS", help_heading = "How it runs")]
    run_timeout: Option<f64>,

    /// End the run if it and those that follow it take longer together.
    #[arg(long, value_name = "SECONDS", help_heading = "How it runs")]
    execution_timeout: Option<f64>,

    /// Let the workflow wait so many seconds before it runs.
    #[arg(long, value_name = "SECONDS", help_heading = "How it runs")]
    start_delay: Option<f64>,

    #[command(flatten)]
    retry: RetryFlags,

    #[command(flatten)]
    attributes: AttributeFlags,
}

/// Whether and when to try again.
#[derive(Debug, clap::Args)]
pub(in crate::commands) struct RetryFlags {
    /// Try again if it fails: so often in total; 0 means without limit.
    #[arg(long, value_name = "NUMBER", help_heading = "How it runs")]
    retry_attempts: Option<u32>,

    /// Wait so many seconds before the second attempt [default: 1].
    #[arg(long, value_name = "SECONDS", help_heading = "How it runs")]
    retry_interval: Option<f64>,

    /// Wait so many times longer before each further attempt [default: 2].
    #[arg(long, value_name = "FACTOR", help_heading = "How it runs")]
    retry_backoff: Option<f64>,

    /// Never wait longer than so many seconds [default: 100 times the first].
    #[arg(long, value_name = "SECONDS", help_heading = "How it runs")]
    retry_maximum_interval: Option<f64>,

    /// Do not try again after a failure of this type. May be repeated.
    #[arg(long, value_name = "TYPE", help_heading = "How it runs")]
    retry_not_after: Vec<String>,
}

/// What is said about a run or an activity.
#[derive(Debug, clap::Args)]
pub(in crate::commands) struct AttributeFlags {
    /// Say something about it, for people. May be repeated.
    #[arg(long, value_name = "NAME=JSON", help_heading = "How it runs", value_parser = parse_entry)]
    memo: Vec<(String, Box<RawValue>)>,

    /// Say something about it, with a type: JSON that has one by itself, or
    /// an object of `type` and `value`. May be repeated.
    #[arg(long, value_name = "NAME=JSON", help_heading = "How it runs", value_parser = parse_entry)]
    search_attribute: Vec<(String, Box<RawValue>)>,

    /// Put a label on it, to find it by. May be repeated.
    #[arg(long, value_name = "TAG", help_heading = "How it runs")]
    tag: Vec<Tag>,
}

impl RunOptionFlags {
    /// The options of a start that were given.
    pub(super) fn into_fields(self) -> Fields {
        let mut fields = given([
            ("run_timeout_seconds", json(self.run_timeout)),
            ("execution_timeout_seconds", json(self.execution_timeout)),
            ("start_delay_seconds", json(self.start_delay)),
            ("retry_policy", self.retry.into_field()),
        ]);
        fields.extend(self.attributes.into_fields());
        fields
    }
}

impl RetryFlags {
    /// The policy, if anything of it was given.
    pub(in crate::commands) fn into_field(self) -> Option<Box<RawValue>> {
        let types = self.retry_not_after;
        let retry = given([
            ("maximum_attempts", json(self.retry_attempts)),
            ("initial_interval_seconds", json(self.retry_interval)),
            ("backoff_coefficient", json(self.retry_backoff)),
            ("maximum_interval_seconds", json(self.retry_maximum_interval)),
            ("non_retryable_types", json((!types.is_empty()).then_some(types))),
        ]);
        json((!retry.is_empty()).then_some(retry))
    }
}

impl AttributeFlags {
    /// What was said.
    pub(in crate::commands) fn into_fields(self) -> Fields {
        let tags: Vec<_> = self.tag.into_iter().map(String::from).collect();
        given([
            ("memo", entries(self.memo)),
            ("search_attributes", entries(self.search_attribute)),
            ("tags", json((!tags.is_empty()).then_some(tags))),
        ])
    }
}

pub(in crate::commands) fn given<const N: usize>(
    fields: [(&str, Option<Box<RawValue>>); N],
) -> Fields {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn entries(entries: Vec<(String, Box<RawValue>)>) -> Option<Box<RawValue>> {
    let entries: Fields = entries.into_iter().collect();
    json((!entries.is_empty()).then_some(entries))
}

pub(in crate::commands) fn json(value: Option<impl Serialize>) -> Option<Box<RawValue>> {
    value.map(|value| to_raw_value(&value).expect("numbers, texts and lists have a JSON form"))
}

/// What is not JSON is a text: nobody wants to quote quotes for a shell.
fn parse_entry(text: &str) -> Result<(String, Box<RawValue>), String> {
    let (name, value) = text.split_once('=').ok_or("it is NAME=JSON")?;
    let text = || to_raw_value(value).map_err(|error| error.to_string());
    let value = serde_json::from_str(value).or_else(|_| text())?;
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_json_or_else_a_text() {
        let value = |text| parse_entry(text).expect("an entry").1.get().to_owned();
        assert_eq!(value("a=1.10"), "1.10");
        assert_eq!(value("a=gold"), "\"gold\"");
        assert_eq!(value("a={\"b\": [1]}"), "{\"b\": [1]}");
        assert_eq!(value("a=b=c"), "\"b=c\"");
        assert!(parse_entry("a").is_err());
    }
}
