//! Times that are passed over.

use crate::pattern::Pattern;
use crate::zone::Zone;

/// The last instant of the time that an exclusion covers around this one, with the same
/// offset; none if no exclusion matches it. Whole days are passed over at once.
pub(crate) fn excluded_until(exclusions: &[Pattern], zone: Zone, instant: i64) -> Option<i64> {
    let offset = zone.offset(instant);
    let civil = instant + offset;
    let matching = exclusions.iter().filter(|pattern| pattern.matches(civil));
    let until = matching.map(|pattern| last_of_block(civil, pattern.block) - offset).max()?;
    // From a change of the clocks on it is to be looked at anew.
    Some(match zone.change_between(instant, until) {
        Some(change) => change.at - 1,
        None => until,
    })
}

fn last_of_block(civil: i64, block: i64) -> i64 {
    civil.div_euclid(block) * block + block - 1
}
