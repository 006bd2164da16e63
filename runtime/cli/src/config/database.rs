//! Which database: `postgres://...` or `sqlite://PATH`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

/// A database and how to reach it. Shown without its password.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Database {
    /// A PostgreSQL server.
    Postgres(DatabaseUrl),
    /// A SQLite file.
    Sqlite(PathBuf),
}

/// An address that may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The address with its password, for the driver only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Parameters can hold a password as well.
        let address = self.0.split(['?', '#']).next().unwrap_or_default();
        let Some((scheme, rest)) = address.split_once("://") else {
            return f.write_str("a database");
        };
        match rest.rsplit_once('@') {
            Some((user, server)) => {
                let user = user.split(':').next().unwrap_or_default();
                write!(f, "{scheme}://{user}@{server}")
            }
            None => write!(f, "{scheme}://{rest}"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(url) => url.fmt(f),
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
        }
    }
}

/// The text names no database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDatabase {
    /// Another kind of address.
    #[error("a database is postgres://USER@HOST/NAME or sqlite://PATH")]
    Scheme,
    /// SQLite without a file.
    #[error("sqlite:// needs the path of a file; a database in memory would forget every run")]
    NoPath,
}

impl FromStr for Database {
    type Err = InvalidDatabase;

    fn from_str(text: &str) -> Result<Self, InvalidDatabase> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(DatabaseUrl(text.to_owned())));
        }
        let rest = text.strip_prefix("sqlite:").ok_or(InvalidDatabase::Scheme)?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() || path.contains(":memory:") {
            return Err(InvalidDatabase::NoPath);
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

impl TryFrom<String> for Database {
    type Error = InvalidDatabase;

    fn try_from(text: String) -> Result<Self, InvalidDatabase> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_read() {
        let sqlite = |path: &str| Ok(Database::Sqlite(PathBuf::from(path)));
        assert_eq!("sqlite:///var/d.db".parse(), sqlite("/var/d.db"));
        assert_eq!("sqlite://./d.db".parse(), sqlite("./d.db"));
        assert_eq!("sqlite:d.db".parse(), sqlite("d.db"));
        assert!(matches!("postgres://u@h/d".parse(), Ok(Database::Postgres(_))));
    }

    #[test]
    fn what_is_not_a_database_is_refused_with_what_is() {
        assert_eq!("mysql://h/d".parse::<Database>(), Err(InvalidDatabase::Scheme));
        assert_eq!("sqlite::memory:".parse::<Database>(), Err(InvalidDatabase::NoPath));
        assert_eq!("sqlite://".parse::<Database>(), Err(InvalidDatabase::NoPath));
    }

    #[test]
    fn a_password_is_never_shown() {
        let texts = ["postgres://me:s3cr3t@host:5432/db?sslmode=require&password=s3cr3t"];
        for text in texts {
            let database: Database = text.parse().expect("valid");
            assert_eq!(database.to_string(), "postgres://me@host:5432/db");
            assert!(!format!("{database:?}").contains("s3cr3t"));
        }
    }
}
