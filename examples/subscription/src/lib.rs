//! A card charged every month for years, with a history that stays short.

use std::time::Duration;

use dacapo::{Failure, continue_as_new, select, signals, sleep};
use serde::{Deserialize, Serialize};

const MONTH: Duration = Duration::from_secs(30 * 86_400);

/// A run does one year; the next one goes on with this.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Subscription {
    pub customer: String,
    pub cents: u64,
    /// Charged so far.
    #[serde(default)]
    pub months: u32,
}

/// Stands for a payment. Refuses nothing; the server's log shows it.
#[dacapo::activity]
fn charge(subscription: Subscription) -> Result<String, Failure> {
    let Subscription { customer, cents, months } = subscription;
    println!("{customer} pays {cents} cents for month {}", months + 1);
    Ok(dacapo::activity_info().idempotency_key())
}

/// Charges every month until the signal `cancel`. The signal `price` sets what is
/// charged from the next month on. Returns how many months were paid.
#[dacapo::workflow]
async fn subscription(mut it: Subscription) -> Result<u32, Failure> {
    for _month in 0..12 {
        charge(it.clone()).await?;
        it.months += 1;
        // One timer for the month, however many signals come.
        let mut month = sleep(MONTH);
        loop {
            select! {
                _ = signals::<()>("cancel").recv() => return Ok(it.months),
                price = signals::<u64>("price").recv() => it.cents = price?,
                slept = &mut month => { slept?; break },
            }
        }
    }
    continue_as_new(&it).await
}

dacapo::module! { workflows: [subscription], activities: [charge] }
