//! What a run has recorded.

use std::fmt;

use std::path::Path;

use dacapo_engine::guest::RunContext;
use dacapo_model::event::{ExportFormat, ExportedEvent, ExportedHistory, HistoryEvent};
use dacapo_model::ids::EventId;

use crate::error::TestError;

/// The history of a run, for a test to look at or to
/// [replay](crate::TestEnv::replay).
#[derive(Clone, PartialEq)]
pub struct History {
    pub(crate) context: RunContext,
    pub(crate) events: Vec<HistoryEvent>,
}

impl History {
    /// Reads a history from a file that `dacapo run history --export` or
    /// [`Self::write`] has written.
    pub fn read(file: impl AsRef<Path>) -> Result<Self, TestError> {
        let file = file.as_ref();
        let unusable = |problem: String| TestError::Setup(format!("{}: {problem}", file.display()));
        let text = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
        let exported: ExportedHistory = serde_json::from_slice(&text).map_err(|error| {
            unusable(format!("{error}; write it with `dacapo run history --export`"))
        })?;
        Self::from_export(exported).map_err(|problem| unusable(problem.to_owned()))
    }

    fn from_export(exported: ExportedHistory) -> Result<Self, &'static str> {
        let module_digest = exported.module_digest().ok_or("the history has no beginning")?;
        let ExportedHistory { namespace, workflow_id, run_id, events, .. } = exported;
        let context = RunContext { namespace, workflow_id, run_id, module_digest, trace: None };
        let events: Vec<_> = events.into_iter().map(|exported| exported.event).collect();
        let ids = std::iter::successors(Some(EventId::FIRST), |id| Some(id.next()));
        if !events.iter().map(|event| event.id).eq(ids.take(events.len())) {
            return Err("the history is not whole: its events don't count from 1 without a gap");
        }
        Ok(Self { context, events })
    }

    /// Writes the history into a file, for [`Self::read`] and `dacapo replay`: as
    /// what later code has to fit.
    pub fn write(&self, file: impl AsRef<Path>) -> Result<(), TestError> {
        let file = file.as_ref();
        let exported = ExportedHistory {
            format: ExportFormat::default(),
            namespace: self.context.namespace.clone(),
            workflow_id: self.context.workflow_id.clone(),
            run_id: self.context.run_id,
            events: self
                .events
                .iter()
                .map(|event| ExportedEvent { event: event.clone() })
                .collect(),
        };
        let unusable = |problem: String| TestError::Setup(format!("{}: {problem}", file.display()));
        let text = serde_json::to_vec_pretty(&exported);
        let text = text.map_err(|error| unusable(error.to_string()))?;
        std::fs::write(file, text).map_err(|error| unusable(error.to_string()))
    }

    /// All events, in order.
    pub fn events(&self) -> &[HistoryEvent] {
        &self.events
    }

    /// The types of all events, such as `ActivityTaskScheduled`.
    pub fn event_types(&self) -> Vec<&'static str> {
        self.events.iter().map(|event| event.attributes.type_name()).collect()
    }

    /// How many events are of this type.
    pub fn count(&self, event_type: &str) -> usize {
        self.event_types().into_iter().filter(|name| *name == event_type).count()
    }
}

/// One event per line.
impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.events).finish()
    }
}
