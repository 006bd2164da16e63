//! What handlers share.

use std::sync::Arc;

use axum::extract::FromRef;
use dacapo_service::Runtime;
use prometheus::Registry;
use tokio::sync::watch;

#[derive(Clone)]
pub(crate) struct ApiState {
    /// The node that serves now: another takes its place when the store has lost
    /// something.
    runtime: watch::Receiver<Arc<Runtime>>,
    metrics: Registry,
}

impl ApiState {
    pub(crate) fn new(runtime: watch::Receiver<Arc<Runtime>>, metrics: Registry) -> Self {
        Self { runtime, metrics }
    }
}

impl FromRef<ApiState> for Registry {
    fn from_ref(state: &ApiState) -> Self {
        state.metrics.clone()
    }
}

impl FromRef<ApiState> for Arc<Runtime> {
    fn from_ref(state: &ApiState) -> Self {
        Self::clone(&state.runtime.borrow())
    }
}
