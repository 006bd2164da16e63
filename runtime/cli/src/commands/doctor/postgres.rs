//! A PostgreSQL server, and what is between it and this machine.

use std::time::Duration;

use dacapo_service::clock::{Clock as _, SystemClock};
use dacapo_store_postgres::{Connections, Durability, Examination, PostgresOptions};

use super::report::Report;
use super::tables;
use crate::config::DatabaseUrl;
use crate::store::reason;

const DATABASE: &str = "database";
const WRITES: &str = "writes";
const CONNECTIONS: &str = "connections";
const POOLER: &str = "pooler";
const CLOCK: &str = "clock";

/// The first version that has all that is used.
const VERSION_MIN: i32 = 140_000;

/// A difference of the clocks is told from here on, and is too much from there on.
const CLOCK_WARN: Duration = Duration::from_secs(1);
const CLOCK_FAIL: Duration = Duration::from_secs(30);

pub(super) async fn check(url: &DatabaseUrl, migrate: bool, report: &mut Report) {
    let options = PostgresOptions::default();
    let now = || SystemClock.now();
    match dacapo_store_postgres::examine(url.expose(), &options, now).await {
        Ok(found) => judge(&found, &options, migrate, report),
        Err(error) => report.fail(
            DATABASE,
            format!("{url} can't be used: {:#}", reason(error)),
            "See that it runs, that this machine reaches it, and that the user may log in",
        ),
    }
}

fn judge(found: &Examination, options: &PostgresOptions, migrate: bool, report: &mut Report) {
    let version = format!("PostgreSQL {}", found.version);
    if found.version_number >= VERSION_MIN {
        report.ok(DATABASE, version);
    } else {
        report.fail(DATABASE, version, "Use version 14 or later");
    }
    if found.is_standby {
        report.fail(WRITES, "it is a standby", "Connect to the primary");
    } else if found.is_read_only {
        report.fail(
            WRITES,
            "default_transaction_read_only is on",
            "Set it to off for the server, the database and the user",
        );
    } else {
        report.ok(WRITES, "it is a primary, and takes them");
    }
    let may_make = migrate && found.may_make_tables && !found.is_standby;
    tables::judge(&found.migrations, migrate, may_make, report);
    judge_durability(&found.durability, report);
    judge_connections(&found.connections, options.connections(), report);
    judge_pooler(found, report);
    judge_clock(found.clock_ahead, found.clock_error, report);
}

fn judge_durability(found: &Durability, report: &mut Report) {
    let Durability { fsync, synchronous_commit, full_page_writes } = found;
    match fsync.as_str() {
        "on" => report.ok("fsync", "on"),
        other => report.fail(
            "fsync",
            other,
            "A crash of the machine can destroy the database: set it to on, and reload",
        ),
    }
    match synchronous_commit.as_str() {
        "off" => report.fail(
            "synchronous_commit",
            "off",
            "A crash loses what was acknowledged: set it to on for the server, the database and \
             the user",
        ),
        other => report.ok("synchronous_commit", other),
    }
    match full_page_writes.as_str() {
        "on" => report.ok("full_page_writes", "on"),
        other => report.warn(
            "full_page_writes",
            other,
            "A crash of the machine can leave half-written pages, unless the file system prevents \
             that (ZFS): set it to on, and reload",
        ),
    }
}

fn judge_connections(found: &Connections, needed: u32, report: &mut Report) {
    let of = |limit: Option<i32>| limit.unwrap_or(i32::MAX);
    let allowed = found.allowed.min(of(found.of_role)).min(of(found.of_database));
    let allowed = u32::try_from(allowed).unwrap_or(0);
    let left = u32::try_from(found.allowed - found.of_others).unwrap_or(0);
    let all = format!("a server takes {needed}, and {allowed} are allowed");
    if allowed < needed {
        report.fail(
            CONNECTIONS,
            all,
            "Raise max_connections, or the CONNECTION LIMIT of the user or the database; a second \
             server that stands by takes as many",
        );
    } else if left < needed {
        report.warn(
            CONNECTIONS,
            format!("a server takes {needed}, and other programs have left {left}"),
            "Raise max_connections, or give them fewer",
        );
    } else {
        report.ok(CONNECTIONS, all);
    }
}

fn judge_pooler(found: &Examination, report: &mut Report) {
    if found.shares_sessions {
        report.fail(
            POOLER,
            "clients share sessions",
            "Connect to the database itself, or set `pool_mode = session`",
        );
    } else if !found.keeps_settings {
        report.fail(
            POOLER,
            "the settings of a session do not arrive (isolation, timeouts, plans)",
            "Connect to the database itself, or let the pooler pass `options` on",
        );
    } else {
        report.ok(POOLER, "none that shares sessions was noticed");
    }
}

fn judge_clock(ahead: i64, error: i64, report: &mut Report) {
    // What may be due to the network is not counted.
    let apart = Duration::from_micros(ahead.unsigned_abs().saturating_sub(error.unsigned_abs()));
    let direction = if ahead > 0 { "ahead" } else { "behind" };
    let found = format!("the database is {:.3} s {direction}", apart.as_secs_f64());
    let change =
        "Let both machines set their clocks by the same source (chrony, systemd-timesyncd)";
    if apart > CLOCK_FAIL {
        report.fail(CLOCK, found, change);
    } else if apart > CLOCK_WARN {
        report.warn(CLOCK, found, change);
    } else {
        report.ok(CLOCK, "that of the database is the same");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(judge: impl FnOnce(&mut Report)) -> Vec<&'static str> {
        let mut report = Report::default();
        judge(&mut report);
        report.verdicts()
    }

    #[test]
    fn a_clock_that_goes_wrong_is_told_before_it_is_too_much() {
        let judged = |ahead, error| verdicts(|report| judge_clock(ahead, error, report));
        assert_eq!(judged(900_000, 0), ["ok"]);
        assert_eq!(judged(-1_100_000, 50_000), ["warn"]);
        assert_eq!(judged(1_100_000, 150_000), ["ok"], "it may be the network");
        assert_eq!(judged(-31_000_000, 0), ["fail"]);
    }

    #[test]
    fn connections_are_counted_by_the_narrowest_limit() {
        let wide = Connections { allowed: 97, of_role: None, of_database: None, of_others: 0 };
        let judged = |found: &Connections| verdicts(|report| judge_connections(found, 21, report));
        assert_eq!(judged(&wide), ["ok"]);
        assert_eq!(judged(&Connections { of_others: 80, ..wide }), ["warn"]);
        assert_eq!(judged(&Connections { allowed: 20, ..wide }), ["fail"]);
        assert_eq!(judged(&Connections { of_role: Some(20), ..wide }), ["fail"]);
        assert_eq!(judged(&Connections { of_database: Some(20), ..wide }), ["fail"]);
    }

    #[test]
    fn what_may_lose_an_acknowledged_commit_is_a_failure() {
        let judged = |fsync: &str, commit: &str, pages: &str| {
            let found = Durability {
                fsync: fsync.to_owned(),
                synchronous_commit: commit.to_owned(),
                full_page_writes: pages.to_owned(),
            };
            verdicts(|report| judge_durability(&found, report))
        };
        assert_eq!(judged("on", "remote_apply", "on"), ["ok", "ok", "ok"]);
        assert_eq!(judged("off", "off", "off"), ["fail", "fail", "warn"]);
    }
}
