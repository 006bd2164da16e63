//! Where something stands in a distributed trace, as the W3C's Trace Context says it.
//!
//! The ids of spans follow from what they are spans of, so that nothing has to be kept for
//! them: a run that is taken over, or read again, goes on with the same.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ids::{EventId, RequestId, RunId, UpdateId};

/// Bytes of `tracestate`. The standard asks to pass on so many at least.
pub const TRACESTATE_BYTES_MAX: usize = 512;

/// Bytes of a `traceparent` of the version that is written.
const TRACEPARENT_BYTES: usize = 55;

const SAMPLED: u8 = 1;

/// The flags that have a meaning: sampled, and that the trace's id is random.
const KNOWN_FLAGS: u8 = 3;

/// A trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub u128);

/// A span of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub u64);

/// A span, for those that follow from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TraceHeaders", into = "TraceHeaders")]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    flags: u8,
    /// What vendors keep with it, as it came.
    pub tracestate: String,
}

/// The same, as requests carry it and histories keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceHeaders {
    /// The header of that name.
    pub traceparent: String,
    /// The header of that name; empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tracestate: String,
}

impl TraceContext {
    /// A span that begins a trace.
    pub fn new(trace_id: TraceId, span_id: SpanId, is_sampled: bool) -> Self {
        Self { trace_id, span_id, flags: u8::from(is_sampled), tracestate: String::new() }
    }

    /// What a `traceparent` says; none if it is not one, or says nothing. Those of later
    /// versions begin as this one does.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let (known, later) = traceparent.split_at_checked(TRACEPARENT_BYTES)?;
        let mut fields = known.split('-');
        let version = hex(fields.next()?, 2)?;
        let trace_id = TraceId(hex(fields.next()?, 32)?);
        let span_id = SpanId(hex(fields.next()?, 16)?.try_into().ok()?);
        let flags: u8 = hex(fields.next()?, 2)?.try_into().ok()?;
        let ends = match version {
            0 => later.is_empty(),
            0xff => false,
            _ => later.is_empty() || later.starts_with('-'),
        };
        let is_valid = ends && fields.next().is_none() && trace_id.0 != 0 && span_id.0 != 0;
        let flags = flags & KNOWN_FLAGS;
        is_valid.then_some(Self { trace_id, span_id, flags, tracestate: String::new() })
    }

    /// Whether whoever began the trace has its spans collected.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Another span of the same trace.
    #[must_use]
    pub fn at(&self, span_id: SpanId) -> Self {
        Self { span_id, ..self.clone() }
    }

    /// The header of that name.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

/// Digits as the standard has them: as many as that, and no capitals.
fn hex(digits: &str, length: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_hex = digits.len() == length && digits.bytes().all(is_digit);
    is_hex.then(|| u128::from_str_radix(digits, 16).ok())?
}

impl From<TraceContext> for TraceHeaders {
    fn from(context: TraceContext) -> Self {
        Self { traceparent: context.traceparent(), tracestate: context.tracestate }
    }
}

impl TryFrom<TraceHeaders> for TraceContext {
    type Error = &'static str;

    fn try_from(headers: TraceHeaders) -> Result<Self, Self::Error> {
        let context = Self::parse(&headers.traceparent).ok_or("it is no traceparent")?;
        Ok(Self { tracestate: headers.tracestate, ..context })
    }
}

impl TraceId {
    /// The trace that begins with a run: the run's id, by which it is found. Its last bytes
    /// are random, as the standard wants them.
    pub fn of_run(run_id: RunId) -> Self {
        Self(run_id.0.as_u128())
    }
}

impl SpanId {
    /// The span of a run.
    pub fn of_run(run_id: RunId) -> Self {
        Self::derived(run_id, &[b"run"])
    }

    /// The span of an attempt of an activity, counted among all there ever were.
    pub fn of_attempt(run_id: RunId, scheduled_event_id: EventId, attempt: u32) -> Self {
        let (event, attempt) = (scheduled_event_id.0.to_be_bytes(), attempt.to_be_bytes());
        Self::derived(run_id, &[b"attempt", &event, &attempt])
    }

    /// The span of a signal that a run has recorded.
    pub fn of_signal(run_id: RunId, request_id: &RequestId) -> Self {
        Self::derived(run_id, &[b"signal", request_id.as_str().as_bytes()])
    }

    /// The span of an update that a run was sent.
    pub fn of_update(run_id: RunId, update_id: &UpdateId) -> Self {
        Self::derived(run_id, &[b"update", update_id.as_str().as_bytes()])
    }

    fn derived(run_id: RunId, of: &[&[u8]]) -> Self {
        let mut digest = Sha256::new_with_prefix(run_id.0.as_bytes());
        of.iter().for_each(|part| digest.update(part));
        let digest = digest.finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        // 0 is none.
        Self(u64::from_be_bytes(id).max(1))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_written_as_it_was_read() {
        let context = TraceContext::parse(TRACEPARENT).expect("valid");
        assert!(context.is_sampled());
        assert_eq!(context.traceparent(), TRACEPARENT);
        let unsampled = TRACEPARENT.replace("-01", "-00");
        let context = TraceContext::parse(&unsampled).expect("valid");
        assert!(!context.is_sampled());
        assert_eq!(context.traceparent(), unsampled);
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        for wrong in [
            String::new(),
            TRACEPARENT[1..].to_owned(),
            TRACEPARENT.replace("00-", "ff-"),
            TRACEPARENT.to_uppercase(),
            TRACEPARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            TRACEPARENT.replace("b7ad6b7169203331", &"0".repeat(16)),
            TRACEPARENT.replace("-b7", "b-7"),
            TRACEPARENT.replace("0a", "+a"),
            format!("{TRACEPARENT}-"),
            format!("01{}x", &TRACEPARENT[2..]),
            "é".repeat(40),
        ] {
            assert_eq!(TraceContext::parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = format!("cc{}-what-comes", &TRACEPARENT[2..]);
        let context = TraceContext::parse(&later).expect("valid");
        assert_eq!(context.traceparent(), TRACEPARENT, "and passed on as what is known");
    }

    #[test]
    fn spans_of_different_things_differ_and_those_of_the_same_do_not() {
        let run = |id| RunId(uuid::Uuid::from_u128(id));
        let attempts = [(1, 5, 1), (1, 5, 2), (1, 6, 1), (2, 5, 1)];
        let span = |(id, event, attempt)| SpanId::of_attempt(run(id), EventId(event), attempt);
        let mut ids: Vec<u64> = attempts.map(|it| span(it).0).to_vec();
        ids.extend([SpanId::of_run(run(1)).0, SpanId::of_run(run(2)).0]);
        assert_eq!(ids[0], span(attempts[0]).0);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 6);
    }
}
