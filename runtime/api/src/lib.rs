//! The HTTP API: the only crate that knows HTTP and the shapes of JSON.
//!
//! ```text
//!  request ──▶ extract ──▶ v1/<noun>/<verb> ──▶ service operation
//!                                │
//!  answer  ◀── wire/<noun> ◀─────┘        refusals: error.rs, one shape for all
//! ```
//!
//! * [`routes`](router) lists every route; each handler is one file.
//! * `wire` holds what is sent and received, apart from the model, so that one
//!   can change without the other.
//! * The OpenAPI document is generated from both, and kept in `openapi.json`.
//!
//! * What every request passes first: `site` keeps web pages of others out, `access` asks
//!   for keys,
//!   `unread` sees to it that refusals arrive, `memory` bounds what all take.
//!
//! Invariant: a payload leaves as exactly the bytes that came in. Nothing here
//! parses one further than to see whether it is JSON.

mod access;
mod body;
mod config;
mod door;
mod error;
mod extract;
mod health;
mod memory;
mod metrics;
mod openapi;
mod page_token;
mod plain;
mod request_id;
mod routes;
mod site;
mod standby;
mod state;
mod trace_context;
mod unread;
mod v1;
mod wire;

pub use self::access::{
    Access, AccessRule, Audited, ClientAddress, ClientCertificate, InvalidOidc, Need, Oidc,
    OidcConfig, RoleMapping, SignatureAlgorithm, access_rules,
};
pub use self::config::ApiConfig;
pub use self::memory::{MemoryBudget, SharedConnection};
pub use self::openapi::openapi;
pub use self::plain::tls_required;
pub use self::routes::router;
pub use self::site::ServerNames;
pub use self::standby::standby;
