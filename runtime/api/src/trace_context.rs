//! The trace that a request is a part of, if it says so as the W3C's Trace Context has it.
//! What is not as that standard says is left out, as it asks for, and the request is served.

use std::str::FromStr as _;

use axum::http::{HeaderMap, HeaderName};
use dacapo_model::trace::{TRACESTATE_BYTES_MAX, TraceContext};
use opentelemetry::trace::TraceState;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The span that a request comes from.
pub(crate) fn of(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else {
        return None;
    };
    let mut context = TraceContext::parse(parent.to_str().ok()?)?;
    context.tracestate = tracestate(headers).unwrap_or_default();
    Some(context)
}

/// What vendors keep with it, which may come in parts.
fn tracestate(headers: &HeaderMap) -> Option<String> {
    let parts = headers.get_all(TRACESTATE).iter().map(|part| part.to_str().ok());
    let state = parts.collect::<Option<Vec<_>>>()?.join(",");
    let is_valid = state.len() <= TRACESTATE_BYTES_MAX && TraceState::from_str(&state).is_ok();
    is_valid.then_some(state)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn of_lines(lines: &[(HeaderName, &str)]) -> Option<TraceContext> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_str(value).expect("a header"));
        }
        of(&headers)
    }

    #[test]
    fn parts_of_a_state_are_one_state() {
        let lines = [(TRACEPARENT, PARENT), (TRACESTATE, "a=1"), (TRACESTATE, "b=2")];
        let context = of_lines(&lines).expect("valid");
        assert_eq!(
            (context.traceparent(), context.tracestate.as_str()),
            (PARENT.into(), "a=1,b=2")
        );
    }

    #[test]
    fn a_state_that_is_none_is_left_out_and_the_trace_is_not() {
        let long = format!("a={}", "x".repeat(TRACESTATE_BYTES_MAX));
        for state in ["no state", "A=1", long.as_str()] {
            let context = of_lines(&[(TRACEPARENT, PARENT), (TRACESTATE, state)]).expect("valid");
            assert_eq!(context.tracestate, "", "{state}");
        }
    }

    #[test]
    fn two_parents_are_none() {
        assert_eq!(of_lines(&[(TRACEPARENT, PARENT), (TRACEPARENT, PARENT)]), None);
        assert_eq!(of_lines(&[(TRACESTATE, "a=1")]), None);
    }
}
