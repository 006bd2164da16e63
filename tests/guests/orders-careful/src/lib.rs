//! The same as `orders_careless`, behind a version: what an open run has done
//! stays as it was. It also keeps values, as they were when they were computed.

use dacapo::{Failure, mutable_side_effect, side_effect, signals, version};

#[dacapo::activity]
fn charge(item: String) -> Result<String, Failure> {
    Ok(format!("charged {item}"))
}

#[dacapo::activity]
fn check(item: String) -> Result<String, Failure> {
    Ok(format!("checked {item}"))
}

/// The number of items: returns what was done about each.
#[dacapo::workflow]
async fn orders(items: usize) -> Result<Vec<String>, Failure> {
    let mut done = Vec::new();
    for _ in 0..items {
        let item: String = signals("item").recv().await?;
        if version("check", 0, 1) == 1 {
            done.push(check(item.clone()).await?);
        }
        done.push(charge(item).await?);
    }
    Ok(done)
}

#[dacapo::activity]
fn mail(item: String) -> String {
    format!("mailed {item}")
}

/// The same as in `orders_before`, where `mail` is not listed.
#[dacapo::workflow]
async fn receipt(item: String) -> Result<Vec<String>, Failure> {
    let charged = charge(item.clone()).await?;
    Ok(vec![charged, mail(item).await?])
}

/// The number of rounds: takes a signal in each, and returns the values that were
/// recorded: one for each round, and the level of stock, which changes every other
/// round.
#[dacapo::workflow]
async fn values(rounds: u32) -> Result<Vec<u32>, Failure> {
    let mut seen = Vec::new();
    for round in 0..rounds {
        seen.push(side_effect("round", || round * 100)?);
        seen.push(mutable_side_effect("stock", || round / 2)?);
        let _: String = signals("item").recv().await?;
    }
    Ok(seen)
}

/// Asks for a value and does something else than recording it.
#[dacapo::workflow]
async fn forgetful() -> Result<(), Failure> {
    side_effect("odd", || version("check", 0, 1)).map(drop)
}

/// Knows no version of the change that [`orders`] follows.
#[dacapo::workflow]
async fn outdated() -> Result<u32, Failure> {
    let known = version("check", 0, 1);
    Ok(known + version("check", 2, 3))
}

dacapo::module! {
    workflows: [orders, values, forgetful, outdated, receipt],
    activities: [charge, check, mail],
}
