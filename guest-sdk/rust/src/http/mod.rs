//! A small blocking HTTP client for activities, on `wasi:http`.
//!
//! The server decides which hosts an activity may reach. Redirects are not
//! followed. Workflows may not use it: a workflow that does traps.
//!
//! ```no_run
//! # use dacapo::Failure;
//! # #[derive(serde::Serialize)] struct Order { cents: u64 }
//! # #[derive(serde::Deserialize)] struct Receipt { id: String }
//! # fn activity(order: Order) -> Result<Receipt, Failure> {
//! let receipt: Receipt = dacapo::http::post("https://bank.example/charges")
//!     .json(&order)
//!     .send()?
//!     .error_for_status()?
//!     .json()?;
//! # Ok(receipt)
//! # }
//! ```

mod error;
mod exchange;
mod request;
mod response;
mod url;

pub use error::HttpError;
pub use request::{Request, delete, get, patch, post, put, request};
pub use response::Response;
