//! What handlers share.

use std::sync::Arc;

use axum::extract::FromRef;
use dacapo_service::Runtime;
use tokio::sync::Semaphore;

/// Modules that are received and checked at a time. Each is held in memory as a
/// whole, so this bounds what uploads can take.
const UPLOADS_MAX: usize = 4;

#[derive(Clone)]
pub(crate) struct ApiState {
    runtime: Arc<Runtime>,
    /// A permit for each upload.
    pub(crate) uploads: Arc<Semaphore>,
}

impl ApiState {
    pub(crate) fn new(runtime: Arc<Runtime>) -> Self {
        Self { runtime, uploads: Arc::new(Semaphore::new(UPLOADS_MAX)) }
    }
}

impl FromRef<ApiState> for Arc<Runtime> {
    fn from_ref(state: &ApiState) -> Self {
        Self::clone(&state.runtime)
    }
}
