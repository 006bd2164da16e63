//! What a test says of calls: which fault one meets.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// A method of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Of [`CommitStore`](crate::commit::CommitStore).
    Commit,
    /// Of [`DeletionStore`](crate::deletion::DeletionStore).
    DeleteRun,
    /// Of [`DeletionStore`](crate::deletion::DeletionStore).
    DeleteModules,
    /// Of [`DeletionStore`](crate::deletion::DeletionStore).
    ClosedRuns,
    /// Of [`EncryptionKeyStore`](crate::encryption_key::EncryptionKeyStore).
    EncryptionKeys,
    /// Of [`EncryptionKeyStore`](crate::encryption_key::EncryptionKeyStore).
    AddEncryptionKey,
    /// Of [`ExecutionStore`](crate::execution::ExecutionStore).
    FindExecution,
    /// Of [`ExecutionStore`](crate::execution::ExecutionStore).
    FindExecutionByRequest,
    /// Of [`ExecutionStore`](crate::execution::ExecutionStore).
    FindRuns,
    /// Of [`ExecutionStore`](crate::execution::ExecutionStore).
    ListExecutions,
    /// Of [`ExecutionStore`](crate::execution::ExecutionStore).
    CountExecutions,
    /// Of [`ExecutionStore`](crate::execution::ExecutionStore).
    OpenExecutions,
    /// Of [`ExecutionStore`](crate::execution::ExecutionStore).
    NextOpen,
    /// Of [`HistoryStore`](crate::history::HistoryStore).
    LoadHistory,
    /// Of [`HistoryStore`](crate::history::HistoryStore).
    LastEvent,
    /// Of [`HistoryStore`](crate::history::HistoryStore).
    LoadHistories,
    /// Of [`HistoryStore`](crate::history::HistoryStore).
    LastEvents,
    /// Of [`HistoryStore`](crate::history::HistoryStore).
    FindParents,
    /// Of [`ModuleStore`](crate::module::ModuleStore).
    PutModule,
    /// Of [`ModuleStore`](crate::module::ModuleStore).
    ModuleChanges,
    /// Of [`ModuleStore`](crate::module::ModuleStore).
    AllModules,
    /// Of [`ModuleStore`](crate::module::ModuleStore).
    ModuleBytes,
    /// Of [`NamespaceStore`](crate::namespace::NamespaceStore).
    Namespaces,
    /// Of [`NamespaceStore`](crate::namespace::NamespaceStore).
    NamespaceChanges,
    /// Of [`NamespaceStore`](crate::namespace::NamespaceStore).
    CreateNamespace,
    /// Of [`NamespaceStore`](crate::namespace::NamespaceStore).
    ChangeNamespace,
    /// Of [`NamespaceStore`](crate::namespace::NamespaceStore).
    MarkNamespaceDeleted,
    /// Of [`NamespaceStore`](crate::namespace::NamespaceStore).
    RemoveNamespace,
    /// Of [`QueryResultStore`](crate::query_result::QueryResultStore).
    QueryResult,
    /// Of [`QueryResultStore`](crate::query_result::QueryResultStore).
    QueryResultNames,
    /// Of [`ProbeStore`](crate::probe::ProbeStore).
    ProbeWrite,
    /// Of [`ShardStore`](crate::shard::ShardStore).
    AcquireAllShards,
    /// Of [`ShardStore`](crate::shard::ShardStore).
    AcquireShardsAfter,
    /// Of [`ShardStore`](crate::shard::ShardStore).
    Owner,
    /// Of [`ShardStore`](crate::shard::ShardStore).
    RenewLease,
    /// Of [`ShardStore`](crate::shard::ShardStore).
    ReleaseLease,
    /// Of [`ShardStore`](crate::shard::ShardStore).
    CheckHeld,
    /// Of [`ShardStore`](crate::shard::ShardStore).
    ShardOwners,
    /// Of [`QueueSettingsStore`](crate::queue_settings::QueueSettingsStore).
    ChangeQueueSettings,
    /// Of [`QueueSettingsStore`](crate::queue_settings::QueueSettingsStore).
    AllQueueSettings,
    /// Of [`QueueSettingsStore`](crate::queue_settings::QueueSettingsStore).
    QueueUse,
    /// Of [`AccessStore`](crate::access::AccessStore).
    CreateApiKey,
    /// Of [`AccessStore`](crate::access::AccessStore).
    RevokeApiKey,
    /// Of [`AccessStore`](crate::access::AccessStore).
    NoteApiKeyUse,
    /// Of [`AccessStore`](crate::access::AccessStore).
    ApiKeyChanges,
    /// Of [`AccessStore`](crate::access::AccessStore).
    ApiKeys,
    /// Of [`AccessStore`](crate::access::AccessStore).
    AppendAudit,
    /// Of [`AccessStore`](crate::access::AccessStore).
    AuditEntries,
    /// Of [`AccessStore`](crate::access::AccessStore).
    TrimAudit,
    /// Of [`SearchAttributeStore`](crate::search_attribute::SearchAttributeStore).
    RegisterSearchAttribute,
    /// Of [`SearchAttributeStore`](crate::search_attribute::SearchAttributeStore).
    RemoveSearchAttribute,
    /// Of [`SearchAttributeStore`](crate::search_attribute::SearchAttributeStore).
    SearchAttributeChanges,
    /// Of [`SearchAttributeStore`](crate::search_attribute::SearchAttributeStore).
    AllSearchAttributes,
    /// Of [`TaskStore`](crate::task::TaskStore).
    ClaimTasks,
    /// Of [`TaskStore`](crate::task::TaskStore).
    ClaimLimitedTasks,
    /// Of [`TaskStore`](crate::task::TaskStore).
    RenewLeases,
    /// Of [`TaskStore`](crate::task::TaskStore).
    ReleaseLeases,
    /// Of [`TaskStore`](crate::task::TaskStore).
    FindTasks,
    /// Of [`TaskStore`](crate::task::TaskStore).
    RunTasks,
    /// Of [`TaskStore`](crate::task::TaskStore).
    ExpiredLeases,
    /// Of [`TaskStore`](crate::task::TaskStore).
    ExpiredTasks,
    /// Of [`TaskStore`](crate::task::TaskStore).
    WaitingQueues,
    /// Of [`TaskStore`](crate::task::TaskStore).
    LastRank,
    /// Of [`TaskStore`](crate::task::TaskStore).
    QueueDepth,
    /// Of [`TaskStore`](crate::task::TaskStore).
    WaitingTypes,
    /// Of [`TaskStore`](crate::task::TaskStore).
    LeasedTasks,
    /// Of [`TimerStore`](crate::timer::TimerStore).
    DueTimers,
    /// Of [`TimerStore`](crate::timer::TimerStore).
    RunTimers,
    /// Of [`UpdateStore`](crate::update::UpdateStore).
    RunUpdates,
}

/// One call, as the script sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// What is called.
    pub operation: Operation,
    /// How often it was called so far, this call included.
    pub number: u64,
}

/// What becomes of a call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It is done as asked.
    None,
    /// It is not done, and reported as unavailable.
    Unavailable,
    /// It is done, but reported as unavailable.
    DoneButUnavailable,
    /// A commit is reported as unavailable, and is done later, before so many
    /// further calls of any kind have begun: like a statement whose server goes on
    /// after the connection was lost. Other calls are just not done.
    DoneLater(u32),
    /// It is not done, and reported as fenced.
    Fenced,
    /// It is not done: the store panics.
    Panic,
    /// It is done once the semaphore gives a permit, which is used up. A delay
    /// that ends when the test says so.
    Delayed(Arc<Semaphore>),
}
