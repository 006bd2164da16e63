//! Activities that say how far they are, hear of cancellation, or are completed
//! by somebody else.

use std::time::Duration;

use dacapo::{Failure, attempt_signals, heartbeat, heartbeat_details, wait_cancel_requested};
use serde::{Deserialize, Serialize};

use crate::activities::{Post, post};

const PAUSE: Duration = Duration::from_millis(10);

#[derive(Serialize, Deserialize)]
pub(crate) struct Copy {
    url: String,
    items: u32,
    /// The item after which the first attempt fails, if it does.
    #[serde(default)]
    fail_after: Option<u32>,
}

/// Does an effect `item n` for each item, and says after each how far it is.
/// Returns the items that this attempt did.
#[dacapo::activity]
pub(crate) fn copy_items(copy: Copy) -> Result<Vec<u32>, Failure> {
    let first = heartbeat_details::<u32>()?.unwrap_or(0);
    let attempt = dacapo::activity_info().attempt;
    let mut done = Vec::new();
    for item in first..copy.items {
        effect(&copy.url, format!("item {item}"))?;
        done.push(item);
        heartbeat(&(item + 1))?;
        if attempt == 1 && copy.fail_after == Some(item) {
            return Err(Failure::application("Interrupted", "fails as asked"));
        }
    }
    Ok(done)
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Listener {
    url: String,
    /// What it does when it hears that it is to cancel: `clean_up`, `complete`,
    /// `fail` or `ignore`.
    then: String,
}

impl Listener {
    pub(crate) fn new(url: &str, then: &str) -> Self {
        Self { url: url.to_owned(), then: then.to_owned() }
    }
}

/// Does the effect `listening`, and waits to be asked to cancel.
#[dacapo::activity]
pub(crate) fn listen(listener: Listener) -> Result<String, Failure> {
    // Looks before it is seen to run: it will be told.
    attempt_signals();
    effect(&listener.url, "listening".to_owned())?;
    while !wait_cancel_requested(Duration::from_secs(600)) {}
    effect(&listener.url, "heard".to_owned())?;
    match listener.then.as_str() {
        "clean_up" => {
            effect(&listener.url, "cleaned up".to_owned())?;
            Err(Failure::cancelled("half done").with_details(&17)?)
        }
        "complete" => Ok("done anyway".to_owned()),
        "fail" => Err(Failure::application("Broke", "it broke meanwhile")),
        _ => loop {
            std::thread::sleep(PAUSE);
        },
    }
}

/// Does the effect `silent` and says nothing any more. Its second attempt returns
/// what the first said.
#[dacapo::activity]
pub(crate) fn fall_silent(url: String) -> Result<u32, Failure> {
    if let Some(said) = heartbeat_details()? {
        return Ok(said);
    }
    heartbeat(&1)?;
    heartbeat(&2)?;
    effect(&url, "silent".to_owned())?;
    loop {
        std::thread::sleep(PAUSE);
    }
}

/// Waits until it is told that it is paused, and makes way. The next attempt
/// completes with its number.
#[dacapo::activity]
pub(crate) fn make_way(url: String) -> Result<u32, Failure> {
    let attempt = dacapo::activity_info().attempt;
    effect(&url, format!("attempt {attempt}"))?;
    if attempt > 1 {
        return Ok(attempt);
    }
    loop {
        heartbeat(&())?;
        std::thread::sleep(PAUSE);
    }
}

/// Does an effect that has the name of its token, and leaves the rest to others.
#[dacapo::activity]
pub(crate) fn later(url: String) -> Result<u32, Failure> {
    let token = dacapo::complete_later();
    if dacapo::complete_later() != token {
        return Err(Failure::application("OtherToken", "it changed").non_retryable());
    }
    effect(&url, token)?;
    Ok(0)
}

/// Uses all that an attempt may say and hear, and returns what it heard.
#[dacapo::activity]
pub(crate) fn talk() -> Result<(Option<u32>, bool, bool, String), Failure> {
    let said = heartbeat_details()?;
    for number in 1..=2 {
        // Whether it is to end is told below.
        let _ = heartbeat(&number);
    }
    let looked = dacapo::is_cancel_requested();
    Ok((said, looked, wait_cancel_requested(PAUSE), dacapo::complete_later()))
}

/// Says a text of this many bytes, and the two quotes around it.
#[dacapo::activity]
pub(crate) fn say_much(bytes: usize) -> Result<(), Failure> {
    heartbeat(&"x".repeat(bytes))
}

/// Fails with a chain of three.
#[dacapo::activity]
pub(crate) fn fail_deeply() -> Result<(), Failure> {
    let bank = Failure::application("BankClosed", "it is Sunday").with_details(&[1, 2])?;
    let card = Failure::application("CardDeclined", "the bank does not answer").caused_by(bank);
    Err(Failure::application("OrderFailed", "the order can't be paid")
        .caused_by(card)
        .with_details(&"order-17")?
        .non_retryable())
}

fn effect(url: &str, effect: String) -> Result<(), Failure> {
    // The function itself: an activity calls another as a plain one.
    post::run(Post { url: url.to_owned(), effect, succeed_at: 0 }).map(drop)
}
