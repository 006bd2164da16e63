//! Uploads a version of a module.

use std::time::Duration;

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use dacapo_model::code::ErrorCode;
use dacapo_model::ids::ModuleName;

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::ModulePath;
use crate::body::{self, BodyError, BodyLimits, Kind};
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{self, Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::replay::UploadedModule;

/// Time a module may take to arrive.
const UPLOAD_TIME_MAX: Duration = Duration::from_secs(300);

/// What an upload costs for each byte of the module: the body, and its row on the
/// way to the database. What compiling it takes is bounded by the host.
const UPLOAD_FACTOR: usize = 3;

/// How to upload.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UploadQuery {
    /// `replay` to refuse a component that does not fit the history of an open run of the module.
    #[serde(default)]
    #[param(inline)]
    gate: Option<Gate>,
}

/// What a component has to pass.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Gate {
    /// A replay of all open runs of the module.
    Replay,
}

/// Upload a module.
///
/// The body is the WebAssembly component. It becomes the newest version under its name, which new
/// runs use; runs that have started keep the version they started with. Uploading the newest
/// version again changes nothing.
#[utoipa::path(
    put,
    path = "/api/v1/namespaces/{namespace}/modules/{name}",
    operation_id = "upload_module",
    tag = "modules",
    params(NamespacePath, ModulePath, UploadQuery),
    request_body(content = [u8], content_type = "application/wasm"),
    responses(
        (status = 201, description = "A new version.", body = UploadedModule),
        (status = 200, description = "The newest version has these bytes already.", body = UploadedModule),
        ErrorBody
    )
)]
pub(crate) async fn upload(
    Door(tenant): Door,
    Path(path): Path<ModulePath>,
    Query(query): Query<UploadQuery>,
    request: Request,
) -> Result<(StatusCode, Json<UploadedModule>), ApiError> {
    // Clients that normalise paths could not ask for it.
    let name = ModuleName::addressable(path.name.as_str())?;
    let bytes = read_module(request, tenant.policy().limits.module_bytes_max).await?;
    // What takes long ends with the client: nobody else waits for it.
    let module = tenant.check_module(&name, bytes).await?;
    let gate = match query.gate {
        Some(Gate::Replay) => Some(tenant.replay_gate(&module).await?),
        None => None,
    };
    let (version, created) = to_the_end(async move { tenant.keep_module(module).await }).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(UploadedModule::new(version.into(), gate))))
}

async fn read_module(request: Request, max: usize) -> Result<Bytes, ApiError> {
    let (parts, body) = request.into_parts();
    check_content_type(&parts.headers)?;
    let limits = BodyLimits {
        kind: Kind::Module,
        bytes_max: max,
        time_max: UPLOAD_TIME_MAX,
        factor: UPLOAD_FACTOR,
    };
    let read = body::read(&parts.headers, body, limits).await;
    read.map_err(|error| match error {
        BodyError::TooLarge => ApiError::new(
            ErrorCode::ModuleTooLarge,
            format!("the module has more than {max} bytes; strip debug information from it"),
        )
        .with("bytes_max", max),
        other => extract::unread(other, UPLOAD_TIME_MAX),
    })
}

/// Bytes without a type are a component: no web page can send a PUT to another
/// site unless that agrees. Nor is what `curl --data-binary` says by itself meant.
fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(text) = extract::content_type(headers) else { return Ok(()) };
    match extract::essence(&text).as_str() {
        "application/wasm" | "application/octet-stream" | "application/x-www-form-urlencoded" => {
            Ok(())
        }
        _ => Err(ApiError::invalid_request(format!(
            "the content type is {text}, but this route reads application/wasm"
        ))),
    }
}
