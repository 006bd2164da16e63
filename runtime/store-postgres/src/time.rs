//! Times as `timestamptz`.

use chrono::{DateTime, Utc};
use dacapo_model::time::Timestamp;
use dacapo_model::timer::NEVER;

/// 4714-11-24 BC, the first time that `timestamptz` can hold.
const FIRST: Timestamp = Timestamp::from_micros(-210_866_803_200_000_000);

/// The time to store. Times that a database can't hold come from clients and
/// from guests that sleep for ever; they become the first or last one it can.
pub(crate) fn to_database(time: Timestamp) -> DateTime<Utc> {
    time.max(FIRST).to_datetime()
}

/// The time that was stored, where the last one stands for what never comes.
pub(crate) fn from_database(time: DateTime<Utc>) -> Timestamp {
    let time = Timestamp::from(time);
    if time == Timestamp::from(NEVER.to_datetime()) { NEVER } else { time }
}
