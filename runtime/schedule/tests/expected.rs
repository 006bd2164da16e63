//! The times of cron expressions in many time zones, over years with changes of daylight
//! time, as another program finds them: see `expected.py`.

use dacapo_model::time::Timestamp;
use dacapo_schedule::{Schedule, ScheduleSpec};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

#[derive(Deserialize)]
struct Case {
    cron: String,
    time_zone: String,
    count: usize,
    first: i64,
    last: i64,
    sha256: String,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

#[test]
fn times_are_those_that_another_program_finds() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("expected.json")).expect("readable");
    assert_eq!(cases.len(), 180);
    for Case { cron, time_zone, count, first, last, sha256 } in cases {
        let spec = ScheduleSpec {
            crons: vec![cron.clone()],
            time_zone: Some(time_zone.clone()),
            ..ScheduleSpec::default()
        };
        let schedule = Schedule::new(&spec, "s").expect("valid");
        let found = schedule.between(at(first - 1), at(last), usize::MAX).expect("quick");
        assert_eq!(found.times.len(), count, "{cron} in {time_zone}");
        let mut hash = Sha256::new();
        for due in &found.times {
            hash.update(format!("{}\n", due.nominal.as_micros() / 1_000_000));
        }
        let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, sha256, "{cron} in {time_zone}");
    }
}
