//! The shop of `examples/checkout`, as its README describes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Json, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Router, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;

type Answer = (StatusCode, Json<Value>);

/// A shop that keeps a book of what really happened in it.
#[derive(Debug)]
pub struct Shop {
    url: String,
    books: Arc<Mutex<Books>>,
}

#[derive(Debug, Default)]
struct Books {
    entries: Vec<String>,
    answers: HashMap<String, (StatusCode, Value)>,
}

impl Shop {
    /// Opens on a free port.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let books = Arc::new(Mutex::new(Books::default()));
        let routes = Router::new()
            .route("/{noun}", post(create))
            .route("/{noun}/{id}/{verb}", post(undo))
            .with_state(books.clone());
        tokio::spawn(async move { serve(listener, routes).await });
        Self { url: format!("http://{address}"), books }
    }

    /// For the variable `SHOP_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What happened, in order, each thing once however often it was asked for.
    pub fn entries(&self) -> Vec<String> {
        books(&self.books).entries.clone()
    }
}

fn books(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

type Shared = State<Arc<Mutex<Books>>>;

async fn create(
    State(shared): Shared,
    Path(noun): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Answer {
    once(&shared, &headers, |books| {
        let refusal = |status, code: &str| (status, json!({ "code": code, "message": "no" }));
        if noun == "charges" && body["card"].as_str().is_some_and(|card| card.ends_with("0002")) {
            return refusal(StatusCode::PAYMENT_REQUIRED, "CardDeclined");
        }
        if noun == "shipments" && body["item"] == "piano" {
            return refusal(StatusCode::UNPROCESSABLE_ENTITY, "TooHeavy");
        }
        books.entries.push(format!("{noun} {}", body["order_id"].as_str().unwrap_or_default()));
        (StatusCode::CREATED, json!({ "id": format!("{noun}-{}", books.entries.len()) }))
    })
}

async fn undo(
    State(shared): Shared,
    Path((_, id, verb)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Answer {
    once(&shared, &headers, |books| {
        books.entries.push(format!("{verb} {id}"));
        (StatusCode::OK, Value::Null)
    })
}

/// Does what a key asks for once, and repeats the answer.
fn once(
    shared: &Mutex<Books>,
    headers: &HeaderMap,
    work: impl FnOnce(&mut Books) -> (StatusCode, Value),
) -> Answer {
    let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()) else {
        return (StatusCode::BAD_REQUEST, Json(json!("a key is missing")));
    };
    let mut books = books(shared);
    let (status, body) = match books.answers.get(key) {
        Some(answer) => answer.clone(),
        None => {
            let answer = work(&mut books);
            books.answers.insert(key.to_owned(), answer.clone());
            answer
        }
    };
    (status, Json(body))
}
