//! Times as people read them: how long ago, or how soon.

use std::time::{Duration, SystemTime};

/// The time of this machine, for differences that people read.
#[expect(clippy::disallowed_methods, reason = "a person's clock, for what is shown to them")]
pub(crate) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// How long ago the server's time was, by the clock of this machine: a time that is still
/// to come was just now. None if the text is no time.
pub(crate) fn age(time: &str, now: SystemTime) -> Option<Duration> {
    let time = humantime::parse_rfc3339(time).ok()?;
    Some(now.duration_since(time).unwrap_or_default())
}

/// How soon the server's time is: `in 5m`, or `now`.
pub(crate) fn soon(time: &str, now: SystemTime) -> String {
    let left = humantime::parse_rfc3339(time).ok().and_then(|at| at.duration_since(now).ok());
    match left {
        Some(left) => format!("in {}", coarse(left)),
        None => "now".to_owned(),
    }
}

/// One number and its unit: the largest of which there are two.
pub(crate) fn coarse(duration: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(365 * 86_400, "y"), (86_400, "d"), (3_600, "h"), (60, "m")];
    let seconds = duration.as_secs();
    let fitting = UNITS.into_iter().find(|(unit, _)| seconds / unit >= 2);
    let (unit, name) = fitting.unwrap_or((1, "s"));
    format!("{}{name}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_one_number_of_a_fitting_unit() {
        let cases = [(0, "0s"), (119, "119s"), (120, "2m"), (7_199, "119m"), (7_200, "2h")];
        let more =
            [(172_799, "47h"), (172_800, "2d"), (63_072_000, "2y"), (u64::MAX, "584942417355y")];
        for (seconds, text) in cases.into_iter().chain(more) {
            assert_eq!(coarse(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn times_are_told_as_differences() {
        let now = humantime::parse_rfc3339("2026-11-28T12:00:00Z").expect("a time");
        assert_eq!(age("2026-11-28T11:58:59.5Z", now), Some(Duration::from_millis(60_500)));
        assert_eq!(age("2026-11-28T12:00:05Z", now), Some(Duration::ZERO), "clocks may differ");
        assert_eq!(age("yesterday", now), None);
        assert_eq!(soon("2026-11-28T12:00:30.000001Z", now), "in 30s");
        assert_eq!(soon("2026-11-28T11:00:00Z", now), "now");
    }
}
