//! What handlers share.

use std::sync::Arc;

use axum::extract::FromRef;
use dacapo_service::Runtime;

#[derive(Clone)]
pub(crate) struct ApiState {
    runtime: Arc<Runtime>,
}

impl ApiState {
    pub(crate) fn new(runtime: Arc<Runtime>) -> Self {
        Self { runtime }
    }
}

impl FromRef<ApiState> for Arc<Runtime> {
    fn from_ref(state: &ApiState) -> Self {
        Self::clone(&state.runtime)
    }
}
