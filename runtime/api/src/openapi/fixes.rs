//! What the generated description gets wrong, or can't know.
//!
//! * A body that may be left out is said to be possibly `null`, which no route reads.
//! * A payload that may be absent is said to be either anything or `null`: then
//!   exactly one of the two would have to hold, and of a `null` both do.
//! * Integers without a sign are said to be of a format with one.
//! * Rules for ids are checked by their types, which know nothing of descriptions.

use utoipa::Number;
use utoipa::openapi::path::{Operation, Parameter, PathItem};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{
    ArrayItems, KnownFormat, Object, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{OpenApi, RefOr, Required};

use dacapo_model::limits::ID_BYTES_MAX;

/// The schema of any JSON.
const ANY_JSON: &str = "#/components/schemas/RawJson";

/// Names that may be part of a file's name.
const SLUG: &str = r"^[A-Za-z0-9._-]+$";

/// Anything but control characters.
const TEXT: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";

/// What a module's digest looks like.
const DIGEST: &str = r"^[0-9a-fA-F]{64}$";

/// Fields of requests that are ids, or lists of them, and what they look like.
const ID_FIELDS: [(&str, &str); 10] = [
    ("activity_types", TEXT),
    ("identity", TEXT),
    ("workflow", TEXT),
    ("workflow_type", TEXT),
    ("workflow_id", TEXT),
    ("request_id", TEXT),
    ("update_id", TEXT),
    ("name", TEXT),
    ("module", SLUG),
    ("digest", DIGEST),
];

pub(super) fn apply(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                fix_body(body);
            }
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(parameter) = parameter {
                    parameter.schema.iter_mut().for_each(fix_schema);
                    constrain(path, parameter);
                }
            }
        }
    }
    let components = document.components.get_or_insert_default();
    for (name, schema) in &mut components.schemas {
        fix_schema(schema);
        if let RefOr::T(Schema::Object(object)) = schema
            && (name.ends_with("Request") || name.starts_with("Start"))
        {
            constrain_fields(object);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let of = [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
    of.into_iter().flatten()
}

/// One schema instead of that or `null`; the body may be left out.
fn fix_body(body: &mut RequestBody) {
    for content in body.content.values_mut() {
        if let RefOr::T(content) = content
            && let Some(schema) = &mut content.schema
            && let Some(only) = or_null(schema)
        {
            *schema = only;
            body.required = Some(Required::False);
        }
    }
}

fn fix_schema(schema: &mut RefOr<Schema>) {
    if let Some(only) = or_null(schema)
        && matches!(&only, RefOr::Ref(to) if to.ref_location == ANY_JSON)
    {
        *schema = only;
        return;
    }
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            fix_integer(object);
            object.properties.values_mut().for_each(fix_schema);
        }
        Schema::OneOf(one) => one.items.iter_mut().for_each(fix_schema),
        Schema::AllOf(all) => all.items.iter_mut().for_each(fix_schema),
        Schema::AnyOf(any) => any.items.iter_mut().for_each(fix_schema),
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                fix_schema(items);
            }
        }
        _ => {}
    }
}

/// Says how large an integer without a sign may be: its format is that of one with a
/// sign, of which half the numbers would be too large.
fn fix_integer(object: &mut Object) {
    if object.minimum.is_none() {
        return;
    }
    let (format, largest) = match &object.format {
        Some(SchemaFormat::KnownFormat(KnownFormat::Int32)) => ("uint32", u32::MAX as usize),
        Some(SchemaFormat::KnownFormat(KnownFormat::Int64)) => ("uint64", usize::MAX),
        _ => return,
    };
    object.format = Some(SchemaFormat::Custom(format.to_owned()));
    object.maximum.get_or_insert(Number::UInt(largest));
}

/// The other schema of one that is this or `null`.
fn or_null(schema: &RefOr<Schema>) -> Option<RefOr<Schema>> {
    let RefOr::T(Schema::OneOf(one)) = schema else { return None };
    let is_null = |it: &RefOr<Schema>| match it {
        RefOr::T(Schema::Object(object)) => object.schema_type == SchemaType::Type(Type::Null),
        _ => false,
    };
    match &one.items[..] {
        [first, second] if is_null(second) => Some(first.clone()),
        [first, second] if is_null(first) => Some(second.clone()),
        _ => None,
    }
}

/// The rules for ids in paths and queries.
fn constrain(path: &str, parameter: &mut Parameter) {
    let is_module = path.contains("/modules/{name}");
    let pattern = match parameter.name.as_str() {
        "namespace" => SLUG,
        "name" if is_module => SLUG,
        "name" | "workflow_id" | "workflow_type" | "update" | "queue" | "after" => TEXT,
        _ => return,
    };
    if let Some(RefOr::T(Schema::Object(object))) = &mut parameter.schema {
        restrict(object, pattern);
    }
}

fn constrain_fields(object: &mut Object) {
    for (name, schema) in &mut object.properties {
        let pattern = ID_FIELDS.iter().find(|(field, _)| field == name);
        if let Some((_, pattern)) = pattern {
            restrict_ids(schema, pattern);
        }
    }
}

fn restrict_ids(schema: &mut RefOr<Schema>, pattern: &str) {
    match schema {
        RefOr::T(Schema::Object(field)) => restrict(field, pattern),
        RefOr::T(Schema::Array(array)) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                restrict_ids(items, pattern);
            }
        }
        _ => {}
    }
}

/// The length is in bytes, which a schema can't say: so many characters are too many
/// for sure.
fn restrict(object: &mut Object, pattern: &str) {
    object.pattern = Some(pattern.to_owned());
    object.min_length = Some(1);
    object.max_length = Some(ID_BYTES_MAX);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    fn document() -> Value {
        serde_json::to_value(crate::openapi()).expect("the document has a JSON form")
    }

    #[test]
    fn a_body_that_may_be_left_out_is_not_said_to_be_null() {
        let document = document();
        let path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/cancel";
        let body = &document["paths"][path]["post"]["requestBody"];
        let schema = &body["content"]["application/json"]["schema"];
        assert_eq!(*schema, json!({"$ref": "#/components/schemas/CancelRequest"}));
        assert_eq!(body["required"], false);
    }

    #[test]
    fn a_payload_may_be_anything() {
        let document = document();
        let result = &document["components"]["schemas"]["Ending"]["properties"]["result"];
        assert_eq!(result["$ref"], "#/components/schemas/RawJson", "{result}");
    }

    #[test]
    fn every_namespace_has_its_pattern() {
        let document = document();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for operation in item.as_object().expect("operations").values() {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                for parameter in parameters.filter(|it| it["name"] == "namespace") {
                    assert_eq!(parameter["schema"]["pattern"], super::SLUG, "{path}");
                    assert_eq!(parameter["schema"]["maxLength"], 255, "{path}");
                }
            }
        }
    }
}
