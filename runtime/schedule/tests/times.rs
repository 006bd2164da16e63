//! When schedules are due: what people trip over, and what must end quickly.

#![expect(clippy::disallowed_methods, reason = "some tests look how long a search takes")]

use std::time::{Duration, Instant};

use dacapo_model::time::Timestamp;
use dacapo_schedule::{Calendar, Interval, Schedule, ScheduleSpec, ValueRange};
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    serde_json::from_value(text.into()).expect("a time")
}

fn cron(text: &str, time_zone: &str) -> ScheduleSpec {
    ScheduleSpec {
        crons: vec![text.to_owned()],
        time_zone: Some(time_zone.to_owned()),
        ..ScheduleSpec::default()
    }
}

/// The first times after another, without their fractions.
fn times(spec: &ScheduleSpec, after: &str, count: usize) -> Vec<String> {
    let schedule = Schedule::new(spec, "s").expect("valid");
    let until = at("2999-01-01T00:00:00Z");
    let found = schedule.between(at(after), until, count).expect("quick");
    found.times.iter().map(|due| due.nominal.to_string().replace(".000000", "")).collect()
}

fn value(start: u16) -> Vec<ValueRange> {
    vec![ValueRange { start, end: None, step: 1 }]
}

fn range(start: u16, end: u16) -> Vec<ValueRange> {
    vec![ValueRange { start, end: Some(end), step: 1 }]
}

#[test]
fn a_time_that_does_not_exist_is_made_up_for_when_the_clocks_change() {
    // At 02:00 it is 03:00, which is 01:00 in UTC.
    let spec = cron("30 2 * * *", "Europe/Berlin");
    assert_eq!(
        times(&spec, "2024-03-30T00:00:00Z", 3),
        ["2024-03-30T01:30:00Z", "2024-03-31T01:00:00Z", "2024-04-01T00:30:00Z"]
    );
    // Several of them are made up for once.
    let spec = cron("0,30 2,3 * * *", "Europe/Berlin");
    assert_eq!(
        times(&spec, "2024-03-31T00:00:00Z", 3),
        ["2024-03-31T01:00:00Z", "2024-03-31T01:30:00Z", "2024-04-01T00:00:00Z"]
    );
}

#[test]
fn a_time_that_exists_twice_counts_once() {
    let spec = cron("30 2 * * *", "Europe/Berlin");
    assert_eq!(
        times(&spec, "2024-10-26T12:00:00Z", 2),
        ["2024-10-27T00:30:00Z", "2024-10-28T01:30:00Z"]
    );
    // Asked while the hour is repeated.
    assert_eq!(times(&spec, "2024-10-27T01:05:00Z", 1), ["2024-10-28T01:30:00Z"]);
}

#[test]
fn what_is_due_every_so_often_goes_on_so_whatever_clocks_show() {
    let spec = cron("*/30 * * * *", "Europe/Berlin");
    let hour = |hour: &str| [format!("{hour}:00:00Z"), format!("{hour}:30:00Z")];
    let hours = |hours: [&str; 3]| hours.map(hour).concat();
    assert_eq!(
        times(&spec, "2024-03-30T23:45:00Z", 6),
        hours(["2024-03-31T00", "2024-03-31T01", "2024-03-31T02"])
    );
    assert_eq!(
        times(&spec, "2024-10-26T23:45:00Z", 6),
        hours(["2024-10-27T00", "2024-10-27T01", "2024-10-27T02"])
    );
    // Each hour has its minute 15, but the one that is left out.
    let spec = cron("15 * * * *", "Europe/Berlin");
    assert_eq!(times(&spec, "2024-10-26T23:45:00Z", 3).len(), 3);
}

#[test]
fn days_of_month_and_week_both_count_in_a_cron_and_must_both_match_in_a_calendar() {
    assert_eq!(
        times(&cron("0 0 13 * FRI", "UTC"), "2024-09-01T00:00:00Z", 3),
        ["2024-09-06T00:00:00Z", "2024-09-13T00:00:00Z", "2024-09-20T00:00:00Z"]
    );
    let calendar =
        Calendar { day_of_month: value(13), day_of_week: value(5), ..Calendar::default() };
    let spec = ScheduleSpec { calendars: vec![calendar], ..ScheduleSpec::default() };
    assert_eq!(
        times(&spec, "2024-09-01T00:00:00Z", 2),
        ["2024-09-13T00:00:00Z", "2024-12-13T00:00:00Z"]
    );
}

#[test]
fn names_steps_seconds_years_nicknames_and_days_from_the_end_are_known() {
    for (text, after, first) in [
        ("0 9 * * MON-FRI", "2024-06-07T10:00:00Z", "2024-06-10T09:00:00Z"),
        ("*/20 8-10/2 * jan,feb *", "2024-06-01T00:00:00Z", "2025-01-01T08:00:00Z"),
        ("15 30 8 * * *", "2024-06-01T00:00:00Z", "2024-06-01T08:30:15Z"),
        ("0 0 12 1 1 * 2030", "2024-06-01T00:00:00Z", "2030-01-01T12:00:00Z"),
        ("@daily", "2024-06-01T00:00:00Z", "2024-06-02T00:00:00Z"),
        ("@midnight", "2024-06-01T00:00:00Z", "2024-06-02T00:00:00Z"),
        ("@hourly", "2024-06-01T00:00:00Z", "2024-06-01T01:00:00Z"),
        ("@weekly", "2024-06-03T00:00:00Z", "2024-06-09T00:00:00Z"),
        ("0 0 L * *", "2024-02-01T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("0 0 * * FRI#2", "2024-06-01T00:00:00Z", "2024-06-14T00:00:00Z"),
        ("0 0 * * 5L", "2024-06-01T00:00:00Z", "2024-06-28T00:00:00Z"),
        ("0 0 * * 7", "2024-06-01T00:00:00Z", "2024-06-02T00:00:00Z"),
        ("0 0 29 2 *", "2024-03-01T00:00:00Z", "2028-02-29T00:00:00Z"),
    ] {
        assert_eq!(times(&cron(text, "UTC"), after, 1), [first], "{text}");
    }
}

#[test]
fn intervals_are_counted_from_1970_and_several_parts_are_one_list() {
    let spec = ScheduleSpec {
        intervals: vec![Interval { every_seconds: 3600, phase_seconds: 300 }],
        crons: vec!["5,30 * * * *".to_owned()],
        ..ScheduleSpec::default()
    };
    assert_eq!(
        times(&spec, "2024-06-01T00:00:00.5Z", 3),
        ["2024-06-01T00:05:00Z", "2024-06-01T00:30:00Z", "2024-06-01T01:05:00Z"]
    );
}

#[test]
fn exclusions_pass_over_whole_days_or_single_times() {
    let weekend =
        Calendar { day_of_week: [range(0, 0), range(6, 6)].concat(), ..Calendar::default() };
    let spec = ScheduleSpec {
        intervals: vec![Interval { every_seconds: 1, phase_seconds: 0 }],
        exclude_calendars: vec![weekend],
        exclude_crons: vec!["* 0-7 * * *".to_owned(), "0 8 * * *".to_owned()],
        time_zone: Some("America/New_York".to_owned()),
        ..ScheduleSpec::default()
    };
    // On Sunday the clocks change.
    assert_eq!(
        times(&spec, "2024-03-09T05:00:00Z", 2),
        ["2024-03-11T12:01:00Z", "2024-03-11T12:01:01Z"]
    );
}

#[test]
fn there_are_no_times_before_the_start_and_after_the_end() {
    let spec = ScheduleSpec {
        start_at: Some(at("2024-06-02T00:00:00Z")),
        end_at: Some(at("2024-06-03T00:00:00Z")),
        ..cron("@daily", "UTC")
    };
    assert_eq!(
        times(&spec, "2020-01-01T00:00:00Z", 9),
        ["2024-06-02T00:00:00Z", "2024-06-03T00:00:00Z"]
    );
}

#[test]
fn jitter_is_the_same_each_time_and_keeps_the_order() {
    let spec = ScheduleSpec { jitter_seconds: 3600, ..cron("*/10 * * * *", "UTC") };
    let of = |id| {
        let schedule = Schedule::new(&spec, id).expect("valid");
        let (from, until) = (at("2024-06-01T00:00:00Z"), at("2024-06-02T00:00:00Z"));
        schedule.between(from, until, 1000).expect("quick").times
    };
    let (one, other) = (of("a"), of("b"));
    assert_eq!((one.len(), &one), (144, &of("a")));
    assert_ne!(one, other);
    assert!(one.is_sorted_by_key(|due| due.at));
    let moved = |due: &dacapo_schedule::Due| due.at.since(due.nominal);
    assert!(one.iter().all(|due| moved(due) < Duration::from_secs(600)));
    assert!(one.iter().any(|due| moved(due) > Duration::from_secs(300)));
}

#[track_caller]
fn refused(spec: &ScheduleSpec, place: &str, about: &str) {
    let begun = Instant::now();
    let error = Schedule::new(spec, "s").expect_err("it breaks a rule");
    assert_eq!(error.place, place);
    assert!(error.problem.contains(about), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn what_breaks_a_rule_is_refused_with_the_place_where() {
    refused(&cron("0 0 30 2 *", "UTC"), "crons[0]", "no such day");
    refused(&cron("0 0 31 4,6,9,11 *", "UTC"), "crons[0]", "no such day");
    refused(&cron("0 0 * * * * 1960", "UTC"), "crons[0]", "no such day");
    refused(&cron("61 * * * *", "UTC"), "crons[0]", "no cron expression");
    refused(&cron("* * *", "UTC"), "crons[0]", "five fields");
    refused(&cron("@every 5m", "UTC"), "crons[0]", "interval");
    refused(&cron("CRON_TZ=Asia/Tokyo 0 0 * * *", "UTC"), "crons[0]", "time_zone");
    refused(&cron(&"* ".repeat(200), "UTC"), "crons[0]", "bytes");
    refused(&cron("* * * * *", "Berlin"), "time_zone", "`Berlin`");
    let calendar = |calendar| ScheduleSpec { calendars: vec![calendar], ..Default::default() };
    refused(
        &calendar(Calendar { hour: value(24), ..Calendar::default() }),
        "calendars[0]",
        "hour 24",
    );
    refused(
        &calendar(Calendar { day_of_month: value(30), month: value(2), ..Calendar::default() }),
        "calendars[0]",
        "no such day",
    );
    let interval = |every_seconds, phase_seconds| ScheduleSpec {
        intervals: vec![Interval { every_seconds, phase_seconds }],
        ..Default::default()
    };
    refused(&interval(0, 0), "intervals[0]", "every_seconds");
    refused(&interval(u64::MAX, 0), "intervals[0]", "every_seconds");
    refused(&interval(60, 60), "intervals[0]", "phase_seconds");
    let jitter = ScheduleSpec { jitter_seconds: 100_000, ..cron("@daily", "UTC") };
    refused(&jitter, "jitter_seconds", "at most");
    let many = ScheduleSpec { crons: vec!["@daily".to_owned(); 101], ..Default::default() };
    refused(&many, "spec", "101");
}

#[test]
fn a_search_that_finds_nothing_ends_soon() {
    let minutes = "* * * * *".to_owned();
    let all = ScheduleSpec { exclude_crons: vec![minutes], ..cron("* * * * * *", "UTC") };
    let schedule = Schedule::new(&all, "s").expect("valid");
    let begun = Instant::now();
    schedule.next_after(at("2024-06-01T00:00:00Z")).expect_err("nothing is left");
    let some = ScheduleSpec {
        exclude_crons: vec!["*/2 * * * * *".to_owned(), "1-59/2 * * * * *".to_owned()],
        ..cron("* * * * * *", "Europe/Berlin")
    };
    let schedule = Schedule::new(&some, "s").expect("valid");
    schedule.next_after(at("2024-06-01T00:00:00Z")).expect_err("nothing is left");
    let days = ScheduleSpec {
        exclude_calendars: vec![Calendar::default()],
        ..cron("* * * * * *", "Europe/Berlin")
    };
    let schedule = Schedule::new(&days, "s").expect("valid");
    // A hundred years have more days than may be passed over.
    schedule.next_after(at("2024-06-01T00:00:00Z")).expect_err("nothing is left");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn rare_times_among_frequent_ones_and_all_left_out_end_soon() {
    let mut crons: Vec<_> =
        (0..99).map(|second| format!("{} 0 0 29 2 * 2096", second % 60)).collect();
    crons.push("* * * * * *".to_owned());
    let rare = ScheduleSpec {
        crons,
        exclude_crons: vec!["* * * * *".to_owned()],
        jitter_seconds: 60,
        time_zone: Some("Europe/Berlin".to_owned()),
        ..ScheduleSpec::default()
    };
    let same = ScheduleSpec {
        crons: vec!["* * * * * *".to_owned(); 100],
        exclude_crons: vec!["*/2 * * * * *".to_owned(), "1-59/2 * * * * *".to_owned()],
        time_zone: Some("Europe/Berlin".to_owned()),
        ..ScheduleSpec::default()
    };
    let begun = Instant::now();
    for spec in [rare, same] {
        let schedule = Schedule::new(&spec, "s").expect("valid");
        let (from, to) = (at("2024-06-01T00:00:00Z"), at("2025-06-01T00:00:00Z"));
        schedule.next_after(from).expect_err("nothing is left");
        schedule.between(from, to, 1000).expect_err("nothing is left");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_search_finds_what_single_steps_find() {
    let spec = ScheduleSpec {
        crons: vec!["*/7 * * * *".to_owned(), "0 2 * * *".to_owned()],
        intervals: vec![Interval { every_seconds: 3_000, phase_seconds: 11 }],
        exclude_crons: vec!["* 9-17 * * *".to_owned()],
        jitter_seconds: 300,
        time_zone: Some("Europe/Berlin".to_owned()),
        ..ScheduleSpec::default()
    };
    let schedule = Schedule::new(&spec, "s").expect("valid");
    let (from, to) = (at("2024-03-30T00:00:00Z"), at("2024-04-01T00:00:00Z"));
    let found = schedule.between(from, to, 10_000).expect("quick").times;
    let mut after = from;
    for due in &found {
        let next = schedule.next_after(after).expect("quick").expect("there is one");
        assert_eq!(next, *due);
        after = due.nominal;
    }
    assert!(found.len() > 200, "{}", found.len());
}

proptest! {
    /// Whatever is asked for, and whenever.
    #[test]
    fn no_text_and_no_time_does_harm(text in "[0-9*/,#LW@A-Za-z? -]{0,30}", micros in any::<i64>()) {
        if let Ok(schedule) = Schedule::new(&cron(&text, "Europe/Berlin"), "s") {
            let _ = schedule.next_after(Timestamp::from_micros(micros));
        }
    }

    #[test]
    fn fields_of_any_numbers_do_no_harm(fields in proptest::collection::vec((0_u16..70, 0_u16..70, 1_u16..80), 5)) {
        let text: Vec<_> = fields.iter().map(|(a, b, c)| format!("{a}-{b}/{c}")).collect();
        if let Ok(schedule) = Schedule::new(&cron(&text.join(" "), "America/Havana"), "s") {
            let first = schedule.next_after(at("2024-06-01T00:00:00Z")).expect("nothing is excluded");
            prop_assert!(first.is_some());
        }
    }

    /// One after the other, or all at once.
    #[test]
    fn the_next_time_is_the_first_of_those_that_follow(
        start in 1_300_000_000_i64..1_900_000_000,
        cron_text in prop::sample::select(vec!["*/7 * * * *", "30 2 * * *", "0 0 1 * *", "15 1,2 * * 0"]),
        zone in prop::sample::select(vec!["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo"]),
    ) {
        let schedule = Schedule::new(&cron(cron_text, zone), "s").expect("valid");
        let mut after = Timestamp::from_micros(start * 1_000_000);
        let all = schedule.between(after, at("2999-01-01T00:00:00Z"), 20).expect("quick").times;
        for due in all {
            prop_assert_eq!(schedule.next_after(after).expect("quick"), Some(due));
            // A moment before, it is the same.
            let before = Timestamp::from_micros(due.nominal.as_micros() - 1_000_000);
            if before > after {
                prop_assert_eq!(schedule.next_after(before).expect("quick"), Some(due));
            }
            after = due.nominal;
        }
    }
}
