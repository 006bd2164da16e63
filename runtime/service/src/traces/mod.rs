//! Spans of runs, of attempts and of what runs are sent, for whoever collects traces.
//!
//! Their ids follow from what they are spans of ([`SpanId`]), and each is handed over once,
//! after the commit that ends it. So a replay or a takeover makes no second one. One that
//! a process had not sent when it died is missing.

mod attempt;
mod message;
mod run;

use std::fmt;
use std::sync::Arc;

use dacapo_model::event::ParentExecution;
use dacapo_model::ids::{NamespaceName, RunId, WorkflowId};
use dacapo_model::text::cut;
use dacapo_model::time::Timestamp;
use dacapo_model::trace::{SpanId, TraceContext, TraceId};
use dacapo_store::task::TaskRow;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;

pub(crate) use self::attempt::{AttemptOf, Attempted};
pub(crate) use self::message::{signal_sent, update_sent};
pub(crate) use self::run::run_closed;

use crate::run::OpenRun;

/// Bytes of what a span says about what went wrong.
const ERROR_BYTES_MAX: usize = 1_024;

/// Bits of a trace's id that are random.
const RANDOM_BITS: u32 = 56;

/// Takes spans that have ended.
pub trait SpanSink: Send + Sync + fmt::Debug {
    /// Takes one, and never waits.
    fn ended(&self, span: Span);
}

/// What took a while, and has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// What it was.
    pub name: String,
    /// Whether it was asked for from outside, or asks somebody outside.
    pub kind: SpanKind,
    /// The span itself.
    pub context: TraceContext,
    /// The span that it is a part of.
    pub parent: Option<SpanId>,
    /// Whether that is somebody else's.
    pub parent_is_remote: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What is known of it.
    pub attributes: Vec<KeyValue>,
    /// Other spans that it has to do with.
    pub links: Vec<(TraceId, SpanId)>,
    /// What went wrong, if something did.
    pub error: Option<SpanError>,
}

/// What spans of a run say of it.
fn of_run(namespace: &NamespaceName, workflow_id: &WorkflowId, run_id: RunId) -> Vec<KeyValue> {
    vec![
        KeyValue::new("dacapo.namespace", namespace.as_str().to_owned()),
        KeyValue::new("dacapo.workflow_id", workflow_id.as_str().to_owned()),
        KeyValue::new("dacapo.run_id", run_id.to_string()),
    ]
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanError {
    /// Of what kind it is.
    pub type_name: String,
    /// In words.
    pub message: String,
}

impl SpanError {
    fn new(type_name: impl Into<String>, message: &str) -> Self {
        let mut message = message.to_owned();
        cut(&mut message, ERROR_BYTES_MAX);
        Self { type_name: type_name.into(), message }
    }
}

/// Which traces are collected, and by whom. By default, none.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    sink: Option<Arc<dyn SpanSink>>,
    /// Of 2^56 traces that nobody else has begun, so many are collected.
    sampled: u64,
}

/// The same collector, and as much of it.
impl PartialEq for Traces {
    fn eq(&self, other: &Self) -> bool {
        let is_same = match (&self.sink, &other.sink) {
            (Some(sink), Some(other)) => Arc::ptr_eq(sink, other),
            (sink, other) => sink.is_none() && other.is_none(),
        };
        is_same && self.sampled == other.sampled
    }
}

impl Traces {
    /// Collects traces that others have begun, if they have them collected, and so large a
    /// part of those that begin here.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the part is between 0 and 1, and 2^56 is exact"
    )]
    pub fn collected(sink: Arc<dyn SpanSink>, part: f64) -> Self {
        let sampled = part.clamp(0.0, 1.0) * (1_u64 << RANDOM_BITS) as f64;
        Self { sink: Some(sink), sampled: sampled as u64 }
    }

    /// What a run passes on to those that it asks for something. `asked` is what it was
    /// started with. Where nothing is collected, that goes on as it came.
    pub(crate) fn of_run(
        &self,
        run_id: RunId,
        parent: Option<&ParentExecution>,
        asked: Option<&TraceContext>,
    ) -> Option<TraceContext> {
        match (asked, &self.sink) {
            (Some(asked), Some(_)) => Some(asked.at(SpanId::of_run(run_id))),
            (Some(asked), None) => Some(asked.clone()),
            (None, Some(_)) => {
                let root = parent.map_or(run_id, |parent| parent.root.run_id);
                Some(self.begin(root, run_id))
            }
            (None, None) => None,
        }
    }

    /// What a run is started with that is to begin a trace of its own, although another
    /// run starts it: its own span. Nothing where no traces are collected.
    pub(crate) fn of_root(&self, run_id: RunId) -> Option<TraceContext> {
        self.sink.as_ref().map(|_| self.begin(run_id, run_id))
    }

    /// What an attempt passes on.
    pub(crate) fn of_attempt(&self, run: &TraceContext, span_id: SpanId) -> TraceContext {
        if self.sink.is_some() { run.at(span_id) } else { run.clone() }
    }

    /// What the attempt that a worker takes passes on.
    pub(crate) fn of_task(&self, run: &OpenRun, task: &TaskRow) -> Option<TraceContext> {
        let (run_id, attempt) = (run.key.run_id, task.attempt.number);
        let span_id = || SpanId::of_attempt(run_id, task.event_id, attempt);
        run.trace().map(|run| self.of_attempt(run, span_id()))
    }

    /// The context of a run, if its spans are collected.
    pub(crate) fn collects<'a>(
        &self,
        run: Option<&'a TraceContext>,
    ) -> Option<(&'a TraceContext, &dyn SpanSink)> {
        let sink = self.sink.as_deref()?;
        Some((run.filter(|run| run.is_sampled())?, sink))
    }

    /// Hands over spans whose end is committed.
    pub(crate) fn ended(&self, spans: Vec<Span>) {
        if let Some(sink) = &self.sink {
            spans.into_iter().for_each(|span| sink.ended(span));
        }
    }

    fn begin(&self, root: RunId, run_id: RunId) -> TraceContext {
        let trace_id = TraceId::of_run(root);
        // Whoever else has to decide about this trace decides the same.
        let random = trace_id.0 & ((1 << RANDOM_BITS) - 1);
        let is_sampled = random >= (1 << RANDOM_BITS) - u128::from(self.sampled);
        TraceContext::new(trace_id, SpanId::of_run(run_id), is_sampled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nowhere;

    impl SpanSink for Nowhere {
        fn ended(&self, _span: Span) {}
    }

    fn run(id: u128) -> RunId {
        RunId(uuid::Uuid::from_u128(id))
    }

    fn collected(part: f64) -> Traces {
        Traces::collected(Arc::new(Nowhere), part)
    }

    #[test]
    fn as_large_a_part_of_the_traces_is_collected_as_is_asked_for() {
        for (part, expected) in [(0.0, 0..=0), (0.25, 150..=350), (1.0, 1_000..=1_000)] {
            let traces = collected(part);
            let ids = (1..=1_000)
                .map(|it| RunId(uuid::Uuid::new_v5(&run(7).0, &[it as u8, (it >> 8) as u8])));
            let sampled = ids.filter(|it| {
                traces.of_run(*it, None, None).is_some_and(|context| context.is_sampled())
            });
            let sampled = sampled.count();
            assert!(expected.contains(&sampled), "{part}: {sampled}");
        }
    }

    #[test]
    fn whoever_has_begun_a_trace_decides_whether_it_is_collected() {
        for (flags, part) in [("01", 0.0), ("00", 1.0)] {
            let text = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
            let asked = TraceContext::parse(&text).expect("valid");
            let traces = collected(part);
            let context = traces.of_run(run(1), None, Some(&asked)).expect("it has one");
            assert_eq!(traces.collects(Some(&context)).is_some(), flags == "01");
            assert_eq!(context, asked.at(SpanId::of_run(run(1))));
        }
    }

    #[test]
    fn where_nothing_is_collected_a_trace_goes_on_as_it_came() {
        let traces = Traces::default();
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let asked = TraceContext::parse(text).expect("valid");
        let context = traces.of_run(run(1), None, Some(&asked));
        assert_eq!(context.as_ref(), Some(&asked));
        assert!(traces.collects(context.as_ref()).is_none());
        assert_eq!(traces.of_attempt(&asked, SpanId(7)), asked);
        assert_eq!(traces.of_run(run(1), None, None), None);
    }
}
