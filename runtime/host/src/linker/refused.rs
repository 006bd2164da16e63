//! What a guest is told that calls what it must not. Where the function can return an
//! error, it does: languages make an exception of it, which the guest's code can handle.

use wasmtime::component::types::ComponentFunc;
use wasmtime::component::{ResourceAny, ResourceType, Type, Val};

/// Errors of WASI that say so, in the order in which they are looked for.
const ERRORS: [&str; 5] =
    ["access-denied", "not-permitted", "access", "not-supported", "unsupported"];

/// The error of WASI that takes a text.
const ERROR_WITH_TEXT: &str = "internal-error";

/// What the function returns if it is refused; none if it has no error for that.
pub(super) fn error(function: &ComponentFunc, text: &str) -> Option<Val> {
    let mut results = function.results();
    let (Some(Type::Result(result)), None) = (results.next(), results.next()) else {
        return None;
    };
    let error = match result.err()? {
        Type::Enum(errors) => {
            let is_there = |name: &&str| errors.names().any(|other| other == *name);
            Val::Enum(ERRORS.into_iter().find(is_there)?.to_owned())
        }
        Type::Variant(errors) => {
            let mut with_text = errors.cases().filter(|case| case.name == ERROR_WITH_TEXT);
            match with_text.next()?.ty? {
                Type::Option(of) if of.ty() == Type::String => {
                    let text = Val::Option(Some(Box::new(Val::String(text.to_owned()))));
                    Val::Variant(ERROR_WITH_TEXT.to_owned(), Some(Box::new(text)))
                }
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(Val::Result(Err(Some(Box::new(error)))))
}

/// What a function returns that prepares something which is refused later, such as the
/// headers of a request: nothing, of the type that is asked for. `resource` makes one.
pub(super) fn nothing(
    ty: &Type,
    resource: &mut impl FnMut(ResourceType) -> Option<Val>,
) -> Option<Val> {
    Some(match ty {
        Type::Bool => Val::Bool(false),
        Type::U8 => Val::U8(0),
        Type::U16 => Val::U16(0),
        Type::U32 => Val::U32(0),
        Type::U64 => Val::U64(0),
        Type::String => Val::String(String::new()),
        Type::List(_) => Val::List(Vec::new()),
        Type::Option(_) => Val::Option(None),
        Type::Result(result) => match result.ok() {
            Some(ok) => Val::Result(Ok(Some(Box::new(nothing(&ok, resource)?)))),
            None => Val::Result(Ok(None)),
        },
        Type::Variant(variant) => {
            let case = variant.cases().find(|case| case.ty.is_none())?;
            Val::Variant(case.name.to_owned(), None)
        }
        Type::Own(wanted) => resource(*wanted)?,
        _ => return None,
    })
}

/// The resource that a parameter is, or may hold.
pub(super) fn resource(parameter: &Val) -> Option<ResourceAny> {
    match parameter {
        Val::Resource(resource) => Some(*resource),
        Val::Option(Some(of)) => resource(of),
        _ => None,
    }
}
