//! Steps and time.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use dacapo::{Either, Failure, join_all, signals, sleep, spawn, timeout, try_join_all, wait_until};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::activities::{double, echo, noop, wait_cancel};

#[derive(Deserialize)]
pub(crate) struct Steps {
    steps: u32,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Millis {
    millis: u64,
}

#[dacapo::workflow]
pub(crate) async fn sequential(input: Steps) -> Result<u32, Failure> {
    for _ in 0..input.steps {
        noop().await?;
    }
    Ok(input.steps)
}

#[dacapo::workflow]
pub(crate) async fn fan_out(input: Steps) -> Result<Vec<u64>, Failure> {
    try_join_all((0..u64::from(input.steps)).map(double)).await
}

#[dacapo::workflow]
pub(crate) async fn race(input: Millis) -> Result<&'static str, Failure> {
    match dacapo::race(wait_cancel(), sleep(Duration::from_millis(input.millis))).await {
        Either::Left(ended) => ended.map(|()| "activity"),
        Either::Right(fired) => fired.map(|()| "timer"),
    }
}

#[dacapo::workflow]
pub(crate) async fn timer(input: Millis) -> Result<bool, Failure> {
    let length = Duration::from_millis(input.millis);
    let before = SystemTime::now();
    sleep(length).await?;
    Ok(before.elapsed()? >= length)
}

#[dacapo::workflow]
pub(crate) async fn native_sleep(input: Millis) -> Result<bool, Failure> {
    let length = Duration::from_millis(input.millis);
    let before = SystemTime::now();
    std::thread::sleep(length);
    Ok(before.elapsed()? >= length)
}

#[dacapo::workflow]
pub(crate) async fn native_timers() -> Vec<u64> {
    let fired = RefCell::new(Vec::new());
    join_all([300, 100, 200].map(async |millis| {
        if sleep(Duration::from_millis(millis)).await.is_ok() {
            fired.borrow_mut().push(millis);
        }
    }))
    .await;
    fired.into_inner()
}

fn draw() -> Result<Value, Failure> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
    let hash = || RandomState::new().build_hasher().finish();
    Ok(
        json!({"now": u64::try_from(now)?, "random": hash() >> 11, "uuid": format!("{:016x}", hash())}),
    )
}

#[dacapo::workflow]
pub(crate) async fn clock_and_random() -> Result<Value, Failure> {
    let first = echo(draw()?).await?;
    sleep(Duration::from_millis(20)).await?;
    let second = echo(draw()?).await?;
    Ok(json!({
        "clock": second["now"].as_u64() >= first["now"].as_u64().map(|now| now + 20),
        "random": second["random"] != first["random"],
        "uuid": second["uuid"] != first["uuid"],
    }))
}

#[dacapo::workflow]
pub(crate) async fn condition() -> Result<u32, Failure> {
    let votes = Rc::new(Cell::new(0));
    let counted = Rc::clone(&votes);
    spawn(async move {
        while signals::<Value>("vote").recv().await.is_ok() {
            counted.set(counted.get() + 1);
        }
    })
    .detach();
    wait_until(|| votes.get() >= 2).await?;
    Ok(votes.get())
}

#[dacapo::workflow]
pub(crate) async fn deadline(input: Millis) -> Result<&'static str, Failure> {
    match timeout(Duration::from_millis(input.millis), wait_cancel()).await {
        Ok(ended) => ended.map(|()| "ended"),
        Err(_elapsed) => Ok("elapsed"),
    }
}
