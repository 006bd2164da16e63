//! The same as `orders_before`, but for a check before each charge. It also has a
//! workflow of `orders_careful` without its mistake.

use dacapo::{Failure, side_effect, signals};

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
        done.push(check(item.clone()).await?);
        done.push(charge(item).await?);
    }
    Ok(done)
}

/// Asks for a value, and so records it. Returns it.
#[dacapo::workflow]
async fn forgetful() -> Result<u32, Failure> {
    side_effect("odd", || 17)
}

dacapo::module! { workflows: [orders, forgetful], activities: [charge, check] }
