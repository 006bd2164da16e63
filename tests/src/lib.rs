//! What the end-to-end tests are made of.
//!
//! ```text
//!  test ──HTTP──▶ server process ──▶ SQLite file | PostgreSQL database of its own
//!    │                  │ activities
//!    └── watches ───▶ effects, shop   (HTTP services inside the test)
//! ```
//!
//! Nothing is simulated: servers are processes that die by SIGKILL, modules are
//! compiled from `tests/guests`, and both databases are the real ones.

mod bytecode;
mod certificates;
mod client;
mod collector;
mod command;
mod counted;
mod database;
mod effects;
mod guests;
mod history;
mod processes;
mod python;
mod queue;
mod readme;
mod server;
mod shop;
mod shown;
mod sse;
mod tools;
mod wait;
mod worker;

pub use self::bytecode::{core_module, module_of, with_core_module};
pub use self::certificates::{Authority, Issued, TlsFolder};
pub use self::client::{Answer, Client, Run};
pub use self::collector::{CollectedSpan, Collector};
pub use self::command::{
    Output, Running, dacapo, dacapo_alone, dacapo_dev, dacapo_running, dacapo_with_input,
};
pub use self::counted::{CountedServer, Spent};
pub use self::database::{Database, Kind};
pub use self::effects::{Effect, Effects};
pub use self::guests::{guest, root};
pub use self::history::{comparable, event_types};
pub use self::python::{python_guest, python_of_guest};
pub use self::queue::{TestWorker, Worker};
pub use self::readme::Readme;
pub use self::server::{Server, Settings};
pub use self::shop::Shop;
pub use self::sse::EventStream;
pub use self::tools::{GO, Tool, ZIG, built, built_with, environment_of};
pub use self::wait::{eventually, within};
pub use self::worker::WorkerProcess;

/// Runs each of the named tests once on SQLite and once on PostgreSQL, as
/// `sqlite::name` and `postgres::name`. A test is an `async fn(Database)`.
#[macro_export]
macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $test() {
                    let database = $crate::Database::fresh($crate::Kind::Sqlite).await;
                    $crate::within("the test", super::$test(database)).await;
                }
            )*
        }

        mod postgres {
            $(
                #[tokio::test]
                async fn $test() {
                    let database = $crate::Database::fresh($crate::Kind::Postgres).await;
                    $crate::within("the test", super::$test(database)).await;
                }
            )*
        }
    };
}
