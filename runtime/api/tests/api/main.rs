//! The API as clients meet it: requests through the router on a real runtime,
//! over a store in memory and workflows in plain Rust. Workflows in Wasm are
//! covered end to end elsewhere.

mod access;
mod audit;
mod client;
mod errors;
mod health;
mod history;
mod issuer;
mod list;
mod memory;
mod messages;
mod modules;
mod namespaces;
mod oidc;
mod openapi;
mod runs;
mod scripts;
mod signals;
mod site;
mod standalone;
mod start;
