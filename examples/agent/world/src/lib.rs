//! The services that the example agent talks to, in one small HTTP server: a
//! language model in the common chat-completions format, whose answers follow fixed
//! rules, and a shop with a few orders. What it knows is in memory.

mod model;
mod shop;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, serve};
use tokio::net::TcpListener;

use shop::Books;

/// A server of both services. It goes on until the program ends.
pub struct World {
    url: String,
    shared: Arc<Shared>,
}

/// One of its services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Model,
    Shop,
}

/// What a service that is in trouble answers.
#[derive(Debug, Clone, Copy)]
pub struct Trouble {
    pub service: Service,
    pub status: u16,
    /// For the header `Retry-After`.
    pub retry_after_seconds: Option<u64>,
}

#[derive(Default)]
struct Shared {
    books: Mutex<Books>,
    troubles: Mutex<VecDeque<Trouble>>,
}

impl World {
    /// Opens at `listen`; port 0 is any that is free.
    pub async fn open(listen: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared::default());
        let routes = Router::new()
            .route("/v1/chat/completions", post(model::complete))
            .route("/orders/{id}", get(shop::order))
            .route("/orders/{id}/refunds", post(shop::refund))
            .layer(from_fn_with_state(Arc::clone(&shared), troubled))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { serve(listener, routes).await });
        Ok(Self { url, shared })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets the next request to a service that has no other trouble run into this.
    pub fn expect(&self, trouble: Trouble) {
        lock(&self.shared.troubles).push_back(trouble);
    }

    /// What was refunded, in order: the id of the order, and how much.
    pub fn refunds(&self) -> Vec<(String, u64)> {
        lock(&self.shared.books).refunds()
    }
}

async fn troubled(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let is_model = request.uri().path().starts_with("/v1/");
    let service = if is_model { Service::Model } else { Service::Shop };
    let trouble = {
        let mut troubles = lock(&shared.troubles);
        let first = troubles.iter().position(|it| it.service == service);
        first.and_then(|index| troubles.remove(index))
    };
    let Some(trouble) = trouble else { return next.run(request).await };
    let status = StatusCode::from_u16(trouble.status).unwrap_or(StatusCode::BAD_GATEWAY);
    match trouble.retry_after_seconds {
        Some(seconds) => (status, [("retry-after", seconds.to_string())]).into_response(),
        None => status.into_response(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
