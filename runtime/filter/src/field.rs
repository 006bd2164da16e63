//! What a filter can ask about, and of which type it is.

use std::fmt;

/// Something that is known of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// The caller's name for the run.
    WorkflowId,
    /// The run's own id.
    RunId,
    /// What it runs.
    WorkflowType,
    /// Where it stands.
    ExecutionStatus,
    /// When it was started.
    StartTime,
    /// When it was to begin: later than its start if that was delayed.
    ExecutionTime,
    /// When it closed.
    CloseTime,
    /// How long it took.
    ExecutionDuration,
    /// Events of its history; known once it has closed.
    HistoryLength,
    /// Bytes of its history; known once it has closed.
    HistorySizeBytes,
    /// The workflow id of the run that started it as a child.
    ParentWorkflowId,
    /// The workflow id of the first of its ancestors; its own if it has none.
    RootWorkflowId,
    /// The names of the module that it is pinned to.
    ModuleName,
    /// Its versions under these names.
    ModuleVersion,
    /// The content of the module.
    ModuleDigest,
    /// The queue of an activity without a workflow.
    TaskQueue,
    /// Labels.
    Tags,
    /// A search attribute, by its registered name and type.
    Attribute(String, AttributeType),
}

/// The registered type of a search attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttributeType {
    /// True or false.
    Bool,
    /// A point in time.
    Datetime,
    /// A number.
    Double,
    /// A whole number.
    Int,
    /// A text that is compared whole.
    Keyword,
    /// Several of them.
    KeywordList,
    /// A longer text.
    Text,
}

/// What values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// Several texts, of which one has to match.
    Texts,
    /// A run id.
    Run,
    /// A status.
    Status,
    /// A point in time.
    Time,
    /// A span of time.
    Duration,
    /// A whole number.
    Int,
    /// Several whole numbers, of which one has to match.
    Ints,
    /// A number.
    Double,
    /// True or false.
    Bool,
    /// A SHA-256.
    Digest,
}

impl Field {
    /// Those that every run has a place for.
    pub const BUILT_IN: [Self; 17] = [
        Self::WorkflowId,
        Self::RunId,
        Self::WorkflowType,
        Self::ExecutionStatus,
        Self::StartTime,
        Self::ExecutionTime,
        Self::CloseTime,
        Self::ExecutionDuration,
        Self::HistoryLength,
        Self::HistorySizeBytes,
        Self::ParentWorkflowId,
        Self::RootWorkflowId,
        Self::ModuleName,
        Self::ModuleVersion,
        Self::ModuleDigest,
        Self::TaskQueue,
        Self::Tags,
    ];

    /// As it is written.
    pub fn name(&self) -> &str {
        match self {
            Self::WorkflowId => "WorkflowId",
            Self::RunId => "RunId",
            Self::WorkflowType => "WorkflowType",
            Self::ExecutionStatus => "ExecutionStatus",
            Self::StartTime => "StartTime",
            Self::ExecutionTime => "ExecutionTime",
            Self::CloseTime => "CloseTime",
            Self::ExecutionDuration => "ExecutionDuration",
            Self::HistoryLength => "HistoryLength",
            Self::HistorySizeBytes => "HistorySizeBytes",
            Self::ParentWorkflowId => "ParentWorkflowId",
            Self::RootWorkflowId => "RootWorkflowId",
            Self::ModuleName => "ModuleName",
            Self::ModuleVersion => "ModuleVersion",
            Self::ModuleDigest => "ModuleDigest",
            Self::TaskQueue => "TaskQueue",
            Self::Tags => "Tags",
            Self::Attribute(name, _) => name,
        }
    }

    /// What values it has.
    pub fn kind(&self) -> Kind {
        match self {
            Self::WorkflowId
            | Self::WorkflowType
            | Self::ParentWorkflowId
            | Self::RootWorkflowId
            | Self::TaskQueue => Kind::Text,
            Self::RunId => Kind::Run,
            Self::ExecutionStatus => Kind::Status,
            Self::StartTime | Self::ExecutionTime | Self::CloseTime => Kind::Time,
            Self::ExecutionDuration => Kind::Duration,
            Self::HistoryLength | Self::HistorySizeBytes => Kind::Int,
            Self::ModuleName | Self::Tags => Kind::Texts,
            Self::ModuleVersion => Kind::Ints,
            Self::ModuleDigest => Kind::Digest,
            Self::Attribute(_, attribute) => attribute.kind(),
        }
    }
}

impl AttributeType {
    fn kind(self) -> Kind {
        match self {
            Self::Bool => Kind::Bool,
            Self::Datetime => Kind::Time,
            Self::Double => Kind::Double,
            Self::Int => Kind::Int,
            Self::Keyword | Self::Text => Kind::Text,
            Self::KeywordList => Kind::Texts,
        }
    }
}

impl Kind {
    /// Whether one of its values can be less than another.
    pub(crate) fn is_ordered(self) -> bool {
        matches!(self, Self::Text | Self::Time | Self::Duration | Self::Int | Self::Double)
    }

    /// How its values may be compared.
    pub(crate) fn operators(self) -> &'static str {
        match self {
            Self::Text => "=, !=, <, <=, >, >=, IN, BETWEEN, STARTS_WITH and IS NULL",
            kind if kind.is_ordered() => "=, !=, <, <=, >, >=, IN, BETWEEN and IS NULL",
            _ => "=, !=, IN and IS NULL",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a text",
            Self::Texts => "a list of texts",
            Self::Run => "a run id",
            Self::Status => "a status",
            Self::Time => "a time",
            Self::Duration => "a duration",
            Self::Int => "a whole number",
            Self::Ints => "a list of whole numbers",
            Self::Double => "a number",
            Self::Bool => "true or false",
            Self::Digest => "a module digest",
        })
    }
}
