//! The testing kit, tried on the guests of the tests.

mod histories;
mod messages;
mod outside;
mod restart;
mod runs;
mod start;
mod time;
mod workers;

use std::path::PathBuf;
use std::time::Duration;

use dacapo_testing::{Builder, TestEnv};

const DAY: Duration = Duration::from_secs(86_400);

fn steps() -> Builder {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    TestEnv::builder().crate_folder(root.join("tests/guests/steps"))
}

async fn env() -> TestEnv {
    steps().start().await.expect("an environment")
}
