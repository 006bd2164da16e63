//! Whether the tables of a database are those that this program works with.

use dacapo_store::migrations::MigrationState;

use super::report::Report;

const TABLES: &str = "tables";

/// `migrate`: a server brings them up to date when it starts; `may_make`: and may do so.
pub(super) fn judge(found: &MigrationState, migrate: bool, may_make: bool, report: &mut Report) {
    let MigrationState { applied, missing, newer, edited, broken } = found;
    if !broken.is_empty() || !edited.is_empty() {
        let numbers = list(&[&broken[..], &edited[..]].concat());
        report.fail(
            TABLES,
            format!("migrations that broke off, or were applied with another text: {numbers}"),
            "Restore the database from a backup, or repair its tables by hand",
        );
    } else if !missing.is_empty() {
        let found = match applied {
            0 => "there are none yet".to_owned(),
            _ => format!("these migrations are missing: {}", list(missing)),
        };
        match (migrate, may_make) {
            (true, true) => report.ok(TABLES, format!("{found}; a server brings them")),
            (true, false) => report.fail(
                TABLES,
                found,
                "The user may make no tables here: grant CREATE on the schema, or run `dacapo \
                 migrate` as the owner of the tables",
            ),
            (false, _) => report.fail(TABLES, found, "Run `dacapo migrate`"),
        }
    } else if !newer.is_empty() {
        report.warn(
            TABLES,
            format!("a newer version has applied these migrations: {}", list(newer)),
            "This one works with them during an upgrade; install the newer one here as well",
        );
    } else {
        report.ok(TABLES, format!("all {applied} migrations are applied"));
    }
}

fn list(versions: &[i64]) -> String {
    versions.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_tables_are_a_failure_where_nobody_brings_them() {
        let judged = |found: &MigrationState, migrate, may_make| {
            let mut report = Report::default();
            judge(found, migrate, may_make, &mut report);
            report.verdicts()
        };
        let whole = MigrationState { applied: 25, ..MigrationState::default() };
        assert_eq!(judged(&whole, false, false), ["ok"]);
        let missing = MigrationState { missing: vec![25], ..whole.clone() };
        assert_eq!(judged(&missing, true, true), ["ok"]);
        assert_eq!(judged(&missing, true, false), ["fail"]);
        assert_eq!(judged(&missing, false, true), ["fail"]);
        let newer = MigrationState { newer: vec![99], ..whole.clone() };
        assert_eq!(judged(&newer, true, true), ["warn"]);
        let edited = MigrationState { edited: vec![3], ..whole.clone() };
        assert_eq!(judged(&edited, true, true), ["fail"]);
        let broken = MigrationState { broken: vec![3], ..whole };
        assert_eq!(judged(&broken, true, true), ["fail"]);
    }
}
