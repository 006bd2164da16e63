//! A workflow and an activity.

use std::time::Duration;

use dacapo::{Failure, sleep};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Guest {
    name: String,
    patience_secs: u64,
}

/// Does something in the real world, and is tried again when it fails.
#[dacapo::activity]
fn greeting(name: String) -> Result<String, Failure> {
    Ok(format!("Hello, {name}!"))
}

/// Says what happens in which order, and goes on where it was after every crash.
#[dacapo::workflow]
async fn greet(guest: Guest) -> Result<String, Failure> {
    let text = greeting(guest.name).await?;
    sleep(Duration::from_secs(guest.patience_secs)).await?;
    Ok(text)
}

dacapo::module! {
    workflows: [greet],
    activities: [greeting],
}
