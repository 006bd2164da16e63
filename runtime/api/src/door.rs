//! The door: who calls, and in which namespace, from a request.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use dacapo_service::Runtime;
use dacapo_service::access::Caller;
use dacapo_service::tenancy::{Principal, Tenant};

use crate::error::ApiError;
use crate::extract::Path;
use crate::trace_context;
use crate::v1::NamespacePath;

/// Who calls, in the namespace that the path names: the first parameter of each handler
/// below one, so that nothing else of the request is looked at before.
pub(crate) struct Door(pub(crate) Tenant);

impl<S> FromRequestParts<S> for Door
where
    S: Send + Sync,
    Arc<Runtime>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // Once for each request: what reads the body asks for it again.
        if let Some(tenant) = parts.extensions.get::<Tenant>() {
            return Ok(Self(tenant.clone()));
        }
        let Path(path) = Path::<NamespacePath>::from_request_parts(parts, state).await?;
        let runtime = Arc::<Runtime>::from_ref(state);
        let tenant = runtime.tenant(principal_of(parts), &path.namespace)?;
        let tenant = tenant.in_trace(trace_context::of(&parts.headers));
        parts.extensions.insert(tenant.clone());
        Ok(Self(tenant))
    }
}

/// Who calls, as the guard has found out. On a server that lets everybody in there is none.
pub(crate) struct By(pub(crate) Caller);

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let local = || Caller { principal: Principal::Local, address: None, request_id: None };
        Ok(Self(parts.extensions.get::<Caller>().cloned().unwrap_or_else(local)))
    }
}

fn principal_of(parts: &Parts) -> Principal {
    parts.extensions.get::<Caller>().map_or(Principal::Local, |caller| caller.principal.clone())
}
