//! Flags that say how a run is to run.

use serde_json::{Map, Value, json};

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

    /// Try again if the run fails: so often in total; 0 means without limit.
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

    /// Say something about the run, for people. May be repeated.
    #[arg(long, value_name = "NAME=JSON", help_heading = "How it runs", value_parser = parse_entry)]
    memo: Vec<(String, Value)>,

    /// Say something about the run, with a type: JSON that has one by itself, or
    /// an object of `type` and `value`. May be repeated.
    #[arg(long, value_name = "NAME=JSON", help_heading = "How it runs", value_parser = parse_entry)]
    search_attribute: Vec<(String, Value)>,
}

impl RunOptionFlags {
    /// The options of a start that were given.
    pub(super) fn into_fields(self) -> Map<String, Value> {
        let retry = given([
            ("maximum_attempts", self.retry_attempts.map(Value::from)),
            ("initial_interval_seconds", self.retry_interval.map(Value::from)),
            ("backoff_coefficient", self.retry_backoff.map(Value::from)),
            ("maximum_interval_seconds", self.retry_maximum_interval.map(Value::from)),
            (
                "non_retryable_types",
                (!self.retry_not_after.is_empty()).then(|| json!(self.retry_not_after)),
            ),
        ]);
        given([
            ("run_timeout_seconds", self.run_timeout.map(Value::from)),
            ("execution_timeout_seconds", self.execution_timeout.map(Value::from)),
            ("start_delay_seconds", self.start_delay.map(Value::from)),
            ("retry_policy", (!retry.is_empty()).then_some(Value::Object(retry))),
            ("memo", entries(self.memo)),
            ("search_attributes", entries(self.search_attribute)),
        ])
    }
}

fn given<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn entries(entries: Vec<(String, Value)>) -> Option<Value> {
    (!entries.is_empty()).then(|| Value::Object(entries.into_iter().collect()))
}

/// What is not JSON is a text: nobody wants to quote quotes for a shell.
fn parse_entry(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("it is NAME=JSON")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_json_or_else_a_text() {
        let value = |text| parse_entry(text).expect("an entry").1;
        assert_eq!(value("a=17"), json!(17));
        assert_eq!(value("a=gold"), json!("gold"));
        assert_eq!(value("a={\"b\": [1]}"), json!({"b": [1]}));
        assert_eq!(value("a=b=c"), json!("b=c"));
        assert!(parse_entry("a").is_err());
    }
}
