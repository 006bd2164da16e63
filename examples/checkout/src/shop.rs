//! The activities: calls to the shop service, whose HTTP interface is written
//! down in README.md.

use std::time::Duration;

use dacapo::{Failure, activity_info, http};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct Reservation {
    pub(crate) order_id: String,
    pub(crate) item: String,
    pub(crate) quantity: u32,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) order_id: String,
    pub(crate) cents: u64,
    pub(crate) card: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Shipment {
    pub(crate) order_id: String,
    pub(crate) reservation_id: String,
    pub(crate) item: String,
    pub(crate) quantity: u32,
}

/// Sets stock aside and returns the id of the reservation.
#[dacapo::activity]
pub(crate) fn reserve(reservation: Reservation) -> Result<String, Failure> {
    created(post("/reservations", &reservation)?)
}

/// Gives reserved stock back.
#[dacapo::activity]
pub(crate) fn release(reservation_id: String) -> Result<(), Failure> {
    post(&format!("/reservations/{reservation_id}/release"), &())?;
    Ok(())
}

/// Charges the card and returns the id of the charge.
#[dacapo::activity]
pub(crate) fn charge(charge: Charge) -> Result<String, Failure> {
    created(post("/charges", &charge)?)
}

/// Pays a charge back.
#[dacapo::activity]
pub(crate) fn refund(charge_id: String) -> Result<(), Failure> {
    post(&format!("/charges/{charge_id}/refund"), &())?;
    Ok(())
}

/// Sends the goods and returns the id of the shipment.
#[dacapo::activity]
pub(crate) fn ship(shipment: Shipment) -> Result<String, Failure> {
    created(post("/shipments", &shipment)?)
}

/// Why the shop says no.
#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
}

/// Sends a request that the shop carries out once, however often it arrives.
fn post(path: &str, body: &impl Serialize) -> Result<http::Response, Failure> {
    let base = std::env::var("SHOP_URL").map_err(|_| {
        // Retried, so that the order goes on when somebody has set it.
        Failure::application("NotConfigured", "give the activities the variable SHOP_URL")
    })?;
    let response = http::post(format!("{}{path}", base.trim_end_matches('/')))
        .header("idempotency-key", activity_info().idempotency_key())
        .timeout(Duration::from_secs(5))
        .json(body)
        .send()?;
    match response.status() {
        // The shop has decided; asking again would get the same answer.
        402 | 404 | 409 | 422 => {
            let refusal: Refusal = response.json()?;
            Err(Failure::application(refusal.code, refusal.message).non_retryable())
        }
        _ => Ok(response.error_for_status()?),
    }
}

/// The id of what a request created.
fn created(response: http::Response) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Created {
        id: String,
    }
    Ok(response.json::<Created>()?.id)
}
