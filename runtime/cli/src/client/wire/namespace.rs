//! Namespaces.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A page of them.
#[derive(Debug, Deserialize)]
pub struct Namespaces {
    /// By name.
    pub namespaces: Vec<Namespace>,
    /// Where the next page begins.
    pub next_page_token: Option<String>,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Whether it can be used.
    pub state: String,
    /// When it was made.
    pub created_at: String,
    /// How long closed runs are kept; none if until they are deleted.
    pub retention_seconds: Option<u64>,
    /// Its limits, by their names.
    pub limits: Map<String, Value>,
    /// Hosts that its activities may reach; none if all of the server.
    pub allowed_hosts: Option<Vec<String>>,
    /// Secrets that they have; none if all of the server.
    pub secrets: Option<Vec<String>>,
}
