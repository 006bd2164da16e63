//! What a value that was written means for a field of a certain type.

use std::str::FromStr;

use chrono::{DateTime, NaiveTime, Timelike as _, Utc};
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::time::Timestamp;

use crate::field::Kind;
use crate::filter::Value;
use crate::syntax::LiteralValue;

/// The value, or what it should look like instead.
pub(crate) fn value_of(literal: &LiteralValue, kind: Kind) -> Result<Value, String> {
    use LiteralValue::{Bool, Number, Text};
    let wrong = |example: &str| {
        let written = match literal {
            Text(text) => format!("'{text}'"),
            Number(number) => number.clone(),
            Bool(value) => value.to_string(),
        };
        format!("{written} is not {example}")
    };
    let value = match (kind, literal) {
        (Kind::Text | Kind::Texts, Text(text)) => Some(Value::Text(text.clone())),
        (Kind::Run, Text(text)) => parsed(text).map(Value::Run),
        (Kind::Digest, Text(text)) => parsed(text).map(Value::Digest),
        (Kind::Status, Text(text)) => status(text).map(Value::Status),
        (Kind::Time, Text(text)) => time(text).map(Value::Time),
        (Kind::Duration, Text(text)) => duration(text).map(Value::Duration),
        (Kind::Duration, Number(nanos)) => {
            nanos.parse::<i64>().ok().map(|nanos| Value::Duration(nanos.div_euclid(1_000)))
        }
        (Kind::Int | Kind::Ints, Number(number)) => parsed(number).map(Value::Int),
        (Kind::Double, Number(number)) => {
            number.parse().ok().filter(|it: &f64| it.is_finite()).map(Value::Double)
        }
        (Kind::Bool, Bool(value)) => Some(Value::Bool(*value)),
        _ => None,
    };
    value.ok_or_else(|| {
        wrong(match kind {
            Kind::Text | Kind::Texts => "a text: write it in quotes",
            Kind::Run => "a run id such as '01234567-89ab-cdef-0123-456789abcdef'",
            Kind::Digest => "a module digest: 64 hex digits in quotes",
            Kind::Status => {
                "a status: 'Running', 'Blocked', 'Completed', 'Failed', 'Canceled', \
                 'Terminated', 'ContinuedAsNew' or 'TimedOut'"
            }
            Kind::Time => "a time in the years 0 to 9999 such as '2026-01-31T08:30:00Z'",
            Kind::Duration => {
                "a duration such as '1h30m' or '01:30:00', or a number of nanoseconds"
            }
            Kind::Int | Kind::Ints => "a whole number from -2^63 to 2^63 - 1, without quotes",
            Kind::Double => "a finite number, without quotes",
            Kind::Bool => "true or false, without quotes",
        })
    })
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// `TimedOut`, `timed_out` and their like.
fn status(text: &str) -> Option<ExecutionStatus> {
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    let written = plain(text);
    ExecutionStatus::ALL.into_iter().find(|status| plain(status.as_str()) == written)
}

/// What is less than a microsecond is cut: nothing is kept more finely.
fn time(text: &str) -> Option<Timestamp> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    Some(Timestamp::from(time.with_timezone(&Utc))).filter(|time| time.is_rfc_3339())
}

/// In microseconds: `1h30m`, or `01:30:00`, which is less than a day.
fn duration(text: &str) -> Option<i64> {
    let duration = match NaiveTime::parse_from_str(text, "%H:%M:%S%.f") {
        Ok(time) => {
            let nanos = u64::from(time.num_seconds_from_midnight()) * 1_000_000_000
                + u64::from(time.nanosecond());
            std::time::Duration::from_nanos(nanos)
        }
        Err(_) => humantime::parse_duration(text).ok()?,
    };
    i64::try_from(duration.as_micros()).ok()
}
