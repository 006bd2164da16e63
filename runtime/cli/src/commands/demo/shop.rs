//! The shop that the checkout example calls, as its README describes it. It is
//! the world outside: it lives in the demo's own process, so it sees what really
//! arrives while the server dies and comes back.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{Json, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Cards that end so are declined.
const DECLINED_CARD: &str = "0002";

/// The item that no carrier takes.
const TOO_HEAVY: &str = "piano";

/// Pieces in stock.
const STOCK: u64 = 100;

/// A running shop.
pub(super) struct Shop {
    address: SocketAddr,
    ledger: Arc<Mutex<Ledger>>,
}

/// What the shop did.
#[derive(Debug, Clone, Default)]
pub(super) struct Books {
    /// Requests that arrived, repeats included.
    pub(super) requests: u64,
    /// Repeats among them, which changed nothing.
    pub(super) repeats: u64,
    /// Ids of reservations.
    pub(super) reservations: Vec<String>,
    /// Ids of reservations that were given back.
    pub(super) released: Vec<String>,
    /// Ids of charges.
    pub(super) charges: Vec<String>,
    /// Ids of charges that were paid back.
    pub(super) refunded: Vec<String>,
    /// Ids of shipments.
    pub(super) shipments: Vec<String>,
}

/// What the shop keeps.
#[derive(Default)]
struct Ledger {
    books: Books,
    /// The first answer to each idempotency key.
    answers: HashMap<String, (StatusCode, Value)>,
}

type SharedLedger = State<Arc<Mutex<Ledger>>>;

impl Shop {
    /// Opens on a free port.
    pub(super) async fn open() -> Result<Self> {
        let listener =
            TcpListener::bind("127.0.0.1:0").await.context("the shop can't open a port")?;
        let address = listener.local_addr().context("the shop's port has no address")?;
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let routes = Router::new()
            .route("/reservations", post(reserve))
            .route("/reservations/{id}/release", post(release))
            .route("/charges", post(charge))
            .route("/charges/{id}/refund", post(refund))
            .route("/shipments", post(ship))
            .with_state(Arc::clone(&ledger));
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                crate::output::note(&format!("the shop has closed: {error}"));
            }
        });
        Ok(Self { address, ledger })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it did so far.
    pub(super) fn books(&self) -> Books {
        lock(&self.ledger).books.clone()
    }
}

async fn reserve(ledger: SharedLedger, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    once(&ledger, &headers, |books| {
        if body["quantity"].as_u64().is_none_or(|quantity| quantity > STOCK) {
            return refusal(StatusCode::CONFLICT, "OutOfStock", "there is not that much in stock");
        }
        created("reservation", &mut books.reservations)
    })
}

async fn release(ledger: SharedLedger, headers: HeaderMap, Path(id): Path<String>) -> Response {
    once(&ledger, &headers, |books| undo(id, &books.reservations, &mut books.released))
}

async fn charge(ledger: SharedLedger, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    once(&ledger, &headers, |books| {
        if body["card"].as_str().is_none_or(|card| card.ends_with(DECLINED_CARD)) {
            return refusal(StatusCode::PAYMENT_REQUIRED, "CardDeclined", "the card was declined");
        }
        created("charge", &mut books.charges)
    })
}

async fn refund(ledger: SharedLedger, headers: HeaderMap, Path(id): Path<String>) -> Response {
    once(&ledger, &headers, |books| undo(id, &books.charges, &mut books.refunded))
}

async fn ship(ledger: SharedLedger, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    once(&ledger, &headers, |books| {
        if body["item"] == TOO_HEAVY {
            let message = "no carrier takes it";
            return refusal(StatusCode::UNPROCESSABLE_ENTITY, "TooHeavy", message);
        }
        created("shipment", &mut books.shipments)
    })
}

/// Carries a request out, unless one with its key was carried out before: then
/// the first answer is given again.
fn once(
    ledger: &Mutex<Ledger>,
    headers: &HeaderMap,
    carry_out: impl FnOnce(&mut Books) -> (StatusCode, Value),
) -> Response {
    let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()) else {
        let (status, body) =
            refusal(StatusCode::BAD_REQUEST, "NoKey", "send an Idempotency-Key header");
        return (status, Json(body)).into_response();
    };
    let Ledger { books, answers } = &mut *lock(ledger);
    books.requests += 1;
    let (status, body) = match answers.get(key).cloned() {
        Some(answer) => {
            books.repeats += 1;
            answer
        }
        None => {
            let answer = carry_out(books);
            answers.insert(key.to_owned(), answer.clone());
            answer
        }
    };
    if status == StatusCode::NO_CONTENT {
        return status.into_response();
    }
    (status, Json(body)).into_response()
}

fn created(kind: &str, ids: &mut Vec<String>) -> (StatusCode, Value) {
    let id = format!("{kind}-{}", ids.len() + 1);
    ids.push(id.clone());
    (StatusCode::CREATED, json!({ "id": id }))
}

fn undo(id: String, done: &[String], undone: &mut Vec<String>) -> (StatusCode, Value) {
    if !done.contains(&id) {
        return refusal(StatusCode::NOT_FOUND, "NotFound", &format!("there is no {id}"));
    }
    if !undone.contains(&id) {
        undone.push(id);
    }
    (StatusCode::NO_CONTENT, Value::Null)
}

fn refusal(status: StatusCode, code: &str, message: &str) -> (StatusCode, Value) {
    (status, json!({ "code": code, "message": message }))
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    // Nothing panics while it holds the lock.
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn post(shop: &Shop, path: &str, key: Option<&str>, body: Value) -> (u16, Value) {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut request = client.post(format!("http://{}{path}", shop.address())).json(&body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    #[tokio::test]
    async fn a_repeated_request_changes_nothing_and_gets_the_first_answer() {
        let shop = Shop::open().await.expect("opens");
        let order = json!({"order_id": "o", "cents": 1, "card": "4242"});
        let first = post(&shop, "/charges", Some("k"), order.clone()).await;
        assert_eq!(first, (201, json!({"id": "charge-1"})));
        assert_eq!(post(&shop, "/charges", Some("k"), order.clone()).await, first);
        assert_eq!(post(&shop, "/charges", Some("l"), order).await.1["id"], "charge-2");
        let books = shop.books();
        assert_eq!((books.requests, books.repeats, books.charges.len()), (3, 1, 2));
    }

    #[tokio::test]
    async fn refusals_are_final_and_named() {
        let shop = Shop::open().await.expect("opens");
        let declined = json!({"order_id": "o", "cents": 1, "card": "40000002"});
        let (status, body) = post(&shop, "/charges", Some("1"), declined).await;
        assert_eq!((status, body["code"].as_str()), (402, Some("CardDeclined")));
        let (status, _) = post(&shop, "/charges/none/refund", Some("2"), Value::Null).await;
        assert_eq!(status, 404);
        let (status, _) = post(&shop, "/reservations", Some("3"), json!({"quantity": 101})).await;
        assert_eq!(status, 409);
        let (status, _) = post(&shop, "/shipments", Some("4"), json!({"item": "piano"})).await;
        assert_eq!(status, 422);
        let (status, _) = post(&shop, "/shipments", None, json!({"item": "lamp"})).await;
        assert_eq!(status, 400);
        assert!(shop.books().shipments.is_empty());
    }

    #[tokio::test]
    async fn what_was_done_can_be_undone() {
        let shop = Shop::open().await.expect("opens");
        post(&shop, "/reservations", Some("1"), json!({"quantity": 1})).await;
        let (status, _) =
            post(&shop, "/reservations/reservation-1/release", Some("2"), Value::Null).await;
        assert_eq!(status, 204);
        assert_eq!(shop.books().released, ["reservation-1"]);
    }
}
