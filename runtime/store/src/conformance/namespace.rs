//! Namespaces.

use std::sync::Arc;

use super::fixtures::*;
use crate::Store;

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("namespace.rs");

/// Made by the first migration.
pub async fn there_is_a_default_namespace(store: Arc<dyn Store>) {
    assert_eq!(store.namespaces().await.expect("lists"), [default_namespace()]);
}
