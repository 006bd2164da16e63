//! A shop orders what it is going to sell: a workflow asks a worker in Python.

use std::time::Duration;

use dacapo::{ActivityCall, ActivityOptions, Failure};
use serde::{Deserialize, Serialize};

/// What the shop knows of an item.
#[derive(Debug, Serialize, Deserialize)]
pub struct Item {
    pub name: String,
    /// How many were sold in each of the last weeks.
    pub sold: Vec<u64>,
    pub in_stock: u64,
}

/// What the worker says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Forecast {
    /// How many will be sold next week.
    pub expected: f64,
}

/// How many of what.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    pub name: String,
    pub quantity: u64,
}

/// Stands for the supplier: it goes to the server's log. Runs in the server.
#[dacapo::activity]
fn order(order: Order) -> Result<(), Failure> {
    println!("{} of {}, please", order.quantity, order.name);
    Ok(())
}

/// Orders what is expected to be sold next week and is not there.
#[dacapo::workflow]
async fn restock(item: Item) -> Result<u64, Failure> {
    // Done by `worker.py`, wherever it runs. If no worker is there, the run waits for one.
    let options =
        ActivityOptions::new().task_queue("forecasts").start_to_close(Duration::from_secs(60));
    let forecast: Forecast = ActivityCall::named("forecast", &item.sold).options(options).await?;

    let quantity = (forecast.expected.ceil() as u64).saturating_sub(item.in_stock);
    if quantity > 0 {
        order(Order { name: item.name, quantity }).await?;
    }
    Ok(quantity)
}

dacapo::module! { workflows: [restock], activities: [order] }
