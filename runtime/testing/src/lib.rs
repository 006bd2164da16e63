//! Tests of workflows, on the real runtime.
//!
//! A [`TestEnv`] is a server inside the test: the guest as the WebAssembly
//! component that will be uploaded, the real engine, service and host, and a
//! store in memory. Two things are different from production, and both are
//! chosen by the test:
//!
//! - **Time skips ahead.** While a test waits for a result and nothing is left to
//!   do, the clock goes to the next timer, so thirty days take milliseconds.
//!   Backoffs of retries are skipped as well.
//! - **Activities can be replaced** by closures of the test. The others run for
//!   real.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use dacapo_testing::{TestEnv, failure};
//!
//! #[tokio::test]
//! async fn a_card_is_charged_every_month() -> Result<(), dacapo_testing::TestError> {
//!     let env = TestEnv::of_crate(env!("CARGO_MANIFEST_DIR")).await?;
//!     env.activity("charge", |cents: u64| Ok(format!("receipt over {cents}")));
//!
//!     let run = env.start("subscription", &900).await?;
//!     let receipts: Vec<String> = run.result().await?; // a year later
//!
//!     assert_eq!(receipts.len(), 12);
//!     assert_eq!(env.calls("charge").inputs::<u64>(), [900; 12]);
//!     assert!(env.elapsed() >= Duration::from_secs(360 * 86_400));
//!     Ok(())
//! }
//! # fn main() {}
//! ```
//!
//! The crate under test needs this one and `tokio`, with the features `macros`
//! and `rt`, among its `[dev-dependencies]`.

mod activities;
mod attempt;
mod builder;
mod clock;
mod env;
mod error;
mod history;
mod host;
mod module;
mod open_activity;
mod passing;
mod query;
mod replay;
mod run;
mod start;
mod update;
mod wait;
mod workers;

pub use dacapo_engine::guest::AttemptSignals;
pub use dacapo_model::attributes::SearchAttribute;
pub use dacapo_model::event::{EventAttributes, HistoryEvent};
pub use dacapo_model::execution::{ExecutionStatus, IdConflictPolicy, IdReusePolicy};
pub use dacapo_model::failure::Failure;
pub use dacapo_model::retry::RetryPolicy;
pub use dacapo_model::search_attribute::SearchAttributeType;
pub use dacapo_model::time::Timestamp;
pub use dacapo_service::operations::RunDescription;

pub use self::activities::{ActivityFailure, Calls, cancelled, failure};
pub use self::attempt::Attempt;
pub use self::builder::Builder;
pub use self::env::TestEnv;
pub use self::error::{Misfit, TestError};
pub use self::history::History;
pub use self::open_activity::OpenActivity;
pub use self::passing::TimeHold;
pub use self::run::TestRun;
pub use self::start::Start;
pub use self::update::TestUpdate;
