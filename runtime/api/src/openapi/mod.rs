//! The description of the API for programs, generated from the code.

mod fixes;

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use bytes::Bytes;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use crate::error::{self, ErrorBody};
use crate::routes;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Dacapo",
        description = "Stores and runs durable workflows.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "modules", description = "WebAssembly components that define workflows and activities."),
        (name = "runs", description = "Executions of workflows."),
        (name = "activities", description = "What runs have asked to be done, for those who do it and for operators."),
        (name = "schedules", description = "What starts runs at certain times."),
        (name = "access", description = "Keys, and who has changed what."),
        (name = "health", description = "For whatever watches the process."),
        (name = "description", description = "This document."),
    )
)]
struct Base;

/// The OpenAPI document of the routes of [`router`](crate::router).
pub fn openapi() -> OpenApi {
    let mut document = Base::openapi();
    document.merge(routes::routes().into_openapi());
    let components = document.components.get_or_insert_default();
    components.schemas.extend([error::schema()]);
    fixes::apply(&mut document);
    document
}

/// The document as it is sent, which does not change while the process runs.
static DOCUMENT: LazyLock<Result<Bytes, String>> = LazyLock::new(|| {
    openapi().to_pretty_json().map(Bytes::from).map_err(|error| error.to_string())
});

/// This document.
///
/// The OpenAPI description of every route.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    operation_id = "get_openapi",
    tag = "description",
    responses((status = 200, description = "OpenAPI.", body = serde_json::Value), ErrorBody)
)]
pub(crate) async fn document() -> Result<impl IntoResponse, error::ApiError> {
    match &*DOCUMENT {
        Ok(document) => Ok(([(header::CONTENT_TYPE, "application/json")], document.clone())),
        Err(reason) => Err(error::ApiError::new(
            dacapo_model::code::ErrorCode::Internal,
            format!("the description of the API can't be written: {reason}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    const REFRESH: &str = "DACAPO_WRITE_OPENAPI=1 cargo test -p dacapo-api --lib openapi";

    #[test]
    fn the_committed_document_is_the_one_the_code_makes() {
        let made = openapi().to_pretty_json().expect("the document has a JSON form") + "\n";
        if std::env::var_os("DACAPO_WRITE_OPENAPI").is_some() {
            std::fs::write(SNAPSHOT, &made).expect("the snapshot can be written");
        }
        let committed = std::fs::read_to_string(SNAPSHOT).unwrap_or_default();
        assert!(
            committed == made,
            "{SNAPSHOT} is not what the code describes. If the API is meant to change, refresh it \
             and review the difference:\n    {REFRESH}"
        );
    }

    #[test]
    fn every_reference_in_the_document_leads_somewhere() {
        let document = serde_json::to_value(openapi()).expect("the document has a JSON form");
        let mut references = Vec::new();
        collect_references(&document, &mut references);
        assert!(!references.is_empty());
        for reference in references {
            let pointer = reference.strip_prefix('#').expect("a local reference");
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
    }

    fn collect_references(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (name, value) in fields {
                    match value.as_str().filter(|_| name == "$ref") {
                        Some(reference) => found.push(reference.to_owned()),
                        None => collect_references(value, found),
                    }
                }
            }
            serde_json::Value::Array(items) => {
                items.iter().for_each(|item| collect_references(item, found));
            }
            _ => {}
        }
    }
}
