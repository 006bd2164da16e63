//! Points in time, as whole microseconds: what both databases can keep exactly.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Microseconds since 1970-01-01T00:00:00Z. Serialised as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Nanoseconds since the epoch; 0 for times before it.
    pub fn as_nanos(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0).saturating_mul(1000)
    }

    /// The time this much later, rounded up to whole microseconds, so that a
    /// timer never fires early. Saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let micros = duration.as_nanos().div_ceil(1000);
        Self(self.0.saturating_add(i64::try_from(micros).unwrap_or(i64::MAX)))
    }

    /// The time this much earlier, in whole microseconds. Saturates.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros))
    }

    /// How long from `earlier` to this; zero if it is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whether RFC 3339 has a form for it: its year has four digits.
    pub fn is_rfc_3339(self) -> bool {
        (0..=9_999).contains(&self.to_datetime().year())
    }

    /// As a calendar time, where the calendar reaches that far.
    pub fn to_datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_micros())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_datetime().to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DateTime::<Utc>::deserialize(deserializer).map(Self::from)
    }
}

/// The duration rounded up to whole microseconds: what a history keeps exactly.
/// A guest must see the same before and after its history was stored.
#[must_use]
pub fn whole_micros(duration: Duration) -> Duration {
    Duration::from_micros(u64::try_from(duration.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX))
}

/// Serialises a [`Duration`] as whole microseconds; the field's name says so
/// (`*_micros`).
pub mod duration_micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes whole microseconds.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }

    /// Reads whole microseconds.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }
}

/// Like [`duration_micros`], for a duration that may be absent.
pub mod optional_duration_micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes whole microseconds, or null.
    pub fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::duration_micros::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads whole microseconds, or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_rounds_up_and_saturates() {
        let start = Timestamp::from_micros(10);
        assert_eq!(start.after(Duration::from_nanos(1)), Timestamp::from_micros(11));
        assert_eq!(start.after(Duration::MAX), Timestamp::from_micros(i64::MAX));
        assert_eq!(start.before(Duration::from_nanos(1_999)), Timestamp::from_micros(9));
        let first = Timestamp::from_micros(-2);
        assert_eq!(first.before(Duration::MAX), Timestamp::from_micros(i64::MIN));
    }

    #[test]
    fn whole_microseconds_are_never_shorter_and_saturate() {
        assert_eq!(whole_micros(Duration::from_nanos(1)), Duration::from_micros(1));
        assert_eq!(whole_micros(Duration::from_nanos(2_000)), Duration::from_micros(2));
        assert_eq!(whole_micros(Duration::MAX), Duration::from_micros(u64::MAX));
    }

    #[test]
    fn text_form_round_trips_to_the_microsecond() {
        let time = Timestamp::from_micros(1_700_000_000_123_456);
        let text = serde_json::to_string(&time).expect("serialises");
        assert_eq!(text, "\"2023-11-14T22:13:20.123456Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&text).expect("parses"), time);
    }
}
