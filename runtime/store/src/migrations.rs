//! What of the tables of a database is there.

/// One of the migrations that this program knows.
#[derive(Debug, Clone, Copy)]
pub struct KnownMigration<'a> {
    /// Its number.
    pub version: i64,
    /// Of its text.
    pub checksum: &'a [u8],
}

/// A row of the table of those that were applied.
#[derive(Debug, Clone)]
pub struct AppliedMigration {
    /// Its number.
    pub version: i64,
    /// Of the text that was applied.
    pub checksum: Vec<u8>,
    /// False if it broke off.
    pub success: bool,
}

/// How the migrations of a program and of a database differ, by their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MigrationState {
    /// How many were applied.
    pub applied: usize,
    /// Not applied yet.
    pub missing: Vec<i64>,
    /// Applied by a newer program.
    pub newer: Vec<i64>,
    /// Applied with another text.
    pub edited: Vec<i64>,
    /// Begun, and not brought to the end.
    pub broken: Vec<i64>,
}

impl MigrationState {
    /// Compares them.
    pub fn of<'a>(
        known: impl IntoIterator<Item = KnownMigration<'a>>,
        applied: &[AppliedMigration],
    ) -> Self {
        let mut state = Self { applied: applied.len(), ..Self::default() };
        let mut known_versions = Vec::new();
        for migration in known {
            known_versions.push(migration.version);
            match applied.iter().find(|it| it.version == migration.version) {
                None => state.missing.push(migration.version),
                Some(it) if !it.success => state.broken.push(it.version),
                Some(it) if it.checksum != migration.checksum => state.edited.push(it.version),
                Some(_) => {}
            }
        }
        let newer = applied.iter().map(|it| it.version);
        state.newer.extend(newer.filter(|version| !known_versions.contains(version)));
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_by_number() {
        let known = [1, 2, 3, 4].map(|version| KnownMigration { version, checksum: b"sum" });
        let applied = |version, checksum: &[u8], success| AppliedMigration {
            version,
            checksum: checksum.to_vec(),
            success,
        };
        let rows = [
            applied(1, b"sum", true),
            applied(2, b"other", true),
            applied(3, b"sum", false),
            applied(9, b"sum", true),
        ];
        let expected = MigrationState {
            applied: 4,
            missing: vec![4],
            newer: vec![9],
            edited: vec![2],
            broken: vec![3],
        };
        assert_eq!(MigrationState::of(known, &rows), expected);
    }
}
