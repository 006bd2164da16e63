//! The shop. A refund is made once for each idempotency key, and once for each
//! order.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Json, Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Shared, lock};

/// Number, what it is, cents, and what became of it.
const ORDERS: [(&str, &str, u64, &str); 3] = [
    ("17", "a lamp", 4900, "delivered"),
    ("18", "a book", 1500, "delivered"),
    ("19", "a chair", 12_900, "on its way"),
];

type Answer = (StatusCode, Json<Value>);

/// What happened in the shop.
#[derive(Default)]
pub(crate) struct Books {
    refunds: Vec<(String, u64)>,
    /// The first answer to each key.
    answers: HashMap<String, (StatusCode, Value)>,
}

impl Books {
    pub(crate) fn refunds(&self) -> Vec<(String, u64)> {
        self.refunds.clone()
    }

    fn refund(&mut self, id: &str, cents: u64) -> (StatusCode, Value) {
        let Some((_, _, paid, _)) = ORDERS.iter().find(|(order, ..)| *order == id) else {
            return refusal(StatusCode::NOT_FOUND, "NotFound", "there is no such order");
        };
        if self.refunds.iter().any(|(order, _)| order == id) {
            let message = "this order was refunded before";
            return refusal(StatusCode::CONFLICT, "AlreadyRefunded", message);
        }
        if cents > *paid {
            let message = "that is more than was paid";
            return refusal(StatusCode::UNPROCESSABLE_ENTITY, "TooMuch", message);
        }
        self.refunds.push((id.to_owned(), cents));
        let refund_id = format!("refund-{}", self.refunds.len());
        (StatusCode::CREATED, json!({ "refund_id": refund_id, "cents": cents }))
    }
}

/// The body of a refund.
#[derive(Deserialize)]
pub(crate) struct Refund {
    cents: u64,
}

pub(crate) async fn order(Path(id): Path<String>) -> Answer {
    let (status, body) = match ORDERS.iter().find(|(order, ..)| *order == id) {
        Some((id, item, cents, state)) => {
            let order = json!({ "order_id": id, "item": item, "cents": cents, "state": state });
            (StatusCode::OK, order)
        }
        None => refusal(StatusCode::NOT_FOUND, "NotFound", "there is no such order"),
    };
    (status, Json(body))
}

pub(crate) async fn refund(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Refund>,
) -> Answer {
    let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()) else {
        let (status, body) =
            refusal(StatusCode::BAD_REQUEST, "NoKey", "send an Idempotency-Key header");
        return (status, Json(body));
    };
    let mut books = lock(&shared.books);
    let (status, body) = match books.answers.get(key) {
        Some(answer) => answer.clone(),
        None => {
            let answer = books.refund(&id, body.cents);
            books.answers.insert(key.to_owned(), answer.clone());
            answer
        }
    };
    (status, Json(body))
}

fn refusal(status: StatusCode, code: &str, message: &str) -> (StatusCode, Value) {
    (status, json!({ "code": code, "message": message }))
}
