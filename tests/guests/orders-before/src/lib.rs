//! Takes items as signals, and charges each. The code before a change.

use dacapo::{Failure, signals};

#[dacapo::activity]
fn charge(item: String) -> Result<String, Failure> {
    Ok(format!("charged {item}"))
}

/// The number of items: returns what was done about each.
#[dacapo::workflow]
async fn orders(items: usize) -> Result<Vec<String>, Failure> {
    let mut done = Vec::new();
    for _ in 0..items {
        let item: String = signals("item").recv().await?;
        done.push(charge(item).await?);
    }
    Ok(done)
}

#[dacapo::activity]
fn mail(item: String) -> String {
    format!("mailed {item}")
}

/// Charges its item and mails about it. Somebody forgot to list that activity.
#[dacapo::workflow]
async fn receipt(item: String) -> Result<Vec<String>, Failure> {
    let charged = charge(item.clone()).await?;
    Ok(vec![charged, mail(item).await?])
}

dacapo::module! { workflows: [orders, receipt], activities: [charge] }
