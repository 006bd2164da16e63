//! Checkout: reserve the stock, charge the card, wait for the warehouse, ship.
//! If a step fails, or the run is asked to cancel while it waits, what was done
//! so far is undone in reverse order.

mod shop;

use std::time::Duration;

use dacapo::{ActivityCall, ActivityOptions, Failure, RetryPolicy, shielded, sleep};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use shop::{Charge, Reservation, Shipment, charge, refund, release, reserve, ship};

dacapo::module! {
    workflows: [checkout],
    activities: [reserve, release, charge, refund, ship],
}

/// What the customer wants.
#[derive(Clone, Deserialize)]
struct Order {
    order_id: String,
    item: String,
    quantity: u32,
    cents: u64,
    card: String,
}

/// What the customer gets.
#[derive(Serialize)]
struct Receipt {
    order_id: String,
    reservation_id: String,
    charge_id: String,
    shipment_id: String,
}

#[dacapo::workflow]
async fn checkout(order: Order) -> Result<Receipt, Failure> {
    let mut done = Vec::new();
    match fulfil(order, &mut done).await {
        Ok(receipt) => Ok(receipt),
        Err(failure) => {
            // A cancelled run may start nothing new, except in a shield.
            shielded(compensate(done)).await?;
            Err(failure)
        }
    }
}

/// A step that was done and can be undone.
enum Done {
    Reserved { reservation_id: String },
    Charged { charge_id: String },
}

async fn fulfil(order: Order, done: &mut Vec<Done>) -> Result<Receipt, Failure> {
    let Order { order_id, item, quantity, cents, card } = order;

    let reservation = Reservation { order_id: order_id.clone(), item: item.clone(), quantity };
    let reservation_id = step(reserve(reservation)).await?;
    done.push(Done::Reserved { reservation_id: reservation_id.clone() });

    let charge_id = step(charge(Charge { order_id: order_id.clone(), cents, card })).await?;
    done.push(Done::Charged { charge_id: charge_id.clone() });

    println!("order {order_id} is paid, waiting for the warehouse");
    sleep(Duration::from_millis(500)).await?;

    let shipment = Shipment {
        order_id: order_id.clone(),
        reservation_id: reservation_id.clone(),
        item,
        quantity,
    };
    let shipment_id = step(ship(shipment)).await?;
    Ok(Receipt { order_id, reservation_id, charge_id, shipment_id })
}

/// Undoes what was done, the last step first. One that can't be undone does
/// not keep the others from being undone.
async fn compensate(done: Vec<Done>) -> Result<(), Failure> {
    let mut outcome = Ok(());
    for step_done in done.into_iter().rev() {
        let undone = match step_done {
            Done::Charged { charge_id } => step(refund(charge_id)).await,
            Done::Reserved { reservation_id } => step(release(reservation_id)).await,
        };
        if let Err(failure) = undone {
            let message = "a step could not be undone; a person has to look at this order";
            outcome = Err(Failure::application("CompensationFailed", message).caused_by(failure));
        }
    }
    outcome
}

/// Runs a step until the shop has given its answer, yes or no: only a known
/// answer can be undone. So attempts are not limited, and a step that has begun
/// is not cancelled.
async fn step<T: DeserializeOwned>(call: ActivityCall<T>) -> Result<T, Failure> {
    let retry = RetryPolicy::new()
        .initial_interval(Duration::from_millis(200))
        .maximum_interval(Duration::from_secs(10));
    let options = ActivityOptions::new().start_to_close(Duration::from_secs(10)).retry(retry);
    shielded(call.options(options)).await
}
