//! Keys by which clients say who they are, and the log of what they changed.
//!
//! Whoever answers requests makes a [`Principal`](crate::tenancy::Principal) of a key here,
//! and asks it what it may do. A server that lets everybody in never comes here.

mod audit;
mod keys;
mod make;

pub use self::audit::Caller;
pub(crate) use self::audit::{AuditTrail, trim};
pub(crate) use self::keys::ApiKeys;
pub use self::make::{NewApiKey, make_api_key, remove_api_key};
