//! The world outside that activities act on: counts what arrives, and can keep
//! activities waiting.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Json, State};
use axum::routing::post;
use axum::{Router, serve};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::wait::eventually;

/// A request of the activity `post`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Effect {
    /// Its name.
    pub effect: String,
    /// The same in each attempt.
    pub key: String,
    /// Who asked for it.
    pub workflow_id: String,
    /// The run of it.
    pub run_id: String,
    /// From 1.
    pub attempt: u32,
}

/// A service that records effects.
#[derive(Debug)]
pub struct Effects {
    url: String,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    arrived: Mutex<Vec<Effect>>,
    held: watch::Sender<HashSet<String>>,
}

impl Effects {
    /// Opens on a free port.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let shared = Arc::new(Shared::default());
        let routes = Router::new().route("/", post(arrive)).with_state(shared.clone());
        tokio::spawn(async move { serve(listener, routes).await });
        Self { url: format!("http://{address}/"), shared }
    }

    /// Where activities post to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Gives no answer to effects of this name until they are released.
    pub fn hold(&self, effect: &str) {
        self.shared.held.send_modify(|held| {
            held.insert(effect.to_owned());
        });
    }

    /// Answers those who wait.
    pub fn release(&self, effect: &str) {
        self.shared.held.send_modify(|held| {
            held.remove(effect);
        });
    }

    /// Everything a workflow did, in order of arrival.
    pub fn of(&self, workflow_id: &str) -> Vec<Effect> {
        let arrived = self.shared.arrived();
        arrived.iter().filter(|effect| effect.workflow_id == workflow_id).cloned().collect()
    }

    /// Everything that happened, in order of arrival.
    pub fn all(&self) -> Vec<Effect> {
        self.shared.arrived().clone()
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.shared.arrived().len()
    }

    /// Waits for the first effect of this name.
    pub async fn arrived(&self, name: &str) {
        eventually(&format!("the effect `{name}` arrives"), async || {
            self.shared.arrived().iter().any(|effect| effect.effect == name).then_some(())
        })
        .await;
    }
}

impl Shared {
    fn arrived(&self) -> MutexGuard<'_, Vec<Effect>> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn arrive(State(shared): State<Arc<Shared>>, Json(effect): Json<Effect>) {
    let name = effect.effect.clone();
    shared.arrived().push(effect);
    let mut held = shared.held.subscribe();
    // The sender is in `shared`, which outlives this.
    let _ = held.wait_for(|held| !held.contains(&name)).await;
}
