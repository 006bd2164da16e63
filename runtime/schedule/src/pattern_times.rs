//! The instants of a pattern in a time zone, also where clocks are changed:
//!
//! | | clocks go forward: the time does not exist | back: it exists twice |
//! |---|---|---|
//! | a pattern of certain hours and minutes | due once, when the clocks change | the first time only |
//! | one with `*` or `*/n` for hour or minute | not due | due both times |
//!
//! It is what vixie-cron does. The first kind is about a time of day, the second about
//! how often.

use crate::pattern::Pattern;
use crate::zone::Zone;

/// No clock is set back by more than this.
const SET_BACK_MAX: i64 = 25 * 3600;

/// Nobody waits for longer.
pub(crate) const HORIZON: i64 = 100 * 366 * 24 * 3600;

/// The first instant of a pattern after `after`; none if it is too far away.
pub(crate) fn next_after(pattern: &Pattern, zone: Zone, after: i64) -> Option<i64> {
    let horizon = after.saturating_add(HORIZON);
    let mut from = after;
    let mut offset = zone.offset(from);
    // Civil times from here on.
    let mut civil = after + 1 + offset;
    if pattern.is_fixed {
        civil = civil.max(first_unrepeated(zone, after));
    }
    loop {
        let matching = pattern.next(civil)?;
        let instant = matching - offset;
        if instant > horizon {
            return None;
        }
        let Some(change) = zone.change_between(from, instant) else {
            return Some(instant);
        };
        // It exists no more in the days of this offset.
        let goes_forward = change.after > change.before;
        let is_left_out = matching < change.at + change.after;
        if pattern.is_fixed && goes_forward && is_left_out {
            return Some(change.at);
        }
        // What is repeated counts for those only that are about how often.
        let shown = if pattern.is_fixed { change.before.max(change.after) } else { change.after };
        civil = change.at + shown;
        (from, offset) = (change.at, change.after);
    }
}

/// The first civil time after those that were shown before the clocks were last set back.
fn first_unrepeated(zone: Zone, after: i64) -> i64 {
    let mut from = after - SET_BACK_MAX;
    let mut first = i64::MIN;
    while let Some(change) = zone.change_between(from, after) {
        if change.after < change.before {
            first = change.at + change.before;
        }
        from = change.at;
    }
    first
}
