//! What the tools do, as activities: requests to the shop. Its base URL is the
//! variable `SHOP_URL`.

use std::time::Duration;

use dacapo::{Failure, activity_info, http};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::retrying::accepted;

/// Bytes of one answer. It becomes a part of the conversation.
const ANSWER_BYTES_MAX: usize = 4 << 10;

/// The arguments of `find_order`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FindOrder {
    pub(crate) order_id: String,
}

/// The arguments of `refund_order`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefundOrder {
    pub(crate) order_id: String,
    pub(crate) cents: u64,
}

/// Looks an order up.
#[dacapo::activity]
pub(crate) fn find_order(find: FindOrder) -> Result<Value, Failure> {
    answer(http::get(url(&format!("/orders/{}", find.order_id))?))
}

/// Pays back what was paid for an order. The shop does it once, however often this
/// is tried.
#[dacapo::activity]
pub(crate) fn refund_order(refund: RefundOrder) -> Result<Value, Failure> {
    let RefundOrder { order_id, cents } = refund;
    let request = http::post(url(&format!("/orders/{order_id}/refunds"))?)
        .header("idempotency-key", activity_info().idempotency_key())
        .json(&json!({ "cents": cents }));
    answer(request)
}

fn url(path: &str) -> Result<String, Failure> {
    let base = std::env::var("SHOP_URL").map_err(|_| {
        Failure::application("NotConfigured", "give the activities the variable SHOP_URL")
    })?;
    Ok(format!("{}{path}", base.trim_end_matches('/')))
}

/// Why the shop says no.
#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
}

fn answer(request: http::Request) -> Result<Value, Failure> {
    let response =
        request.timeout(Duration::from_secs(10)).max_body_bytes(ANSWER_BYTES_MAX).send()?;
    match response.status() {
        // The shop has decided; asking again would get the same answer.
        404 | 409 | 422 => {
            let refusal: Refusal = response.json()?;
            Err(Failure::application(refusal.code, refusal.message).non_retryable())
        }
        _ => Ok(accepted(response)?.json()?),
    }
}
