//! Stable error codes. Each has a page `docs/errors/<code>.md`.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, retryable: $retryable:literal;)*) => {
        /// What went wrong, for programs. A code is never renamed or reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl ErrorCode {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// As written in answers, reports and documentation.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// Whether the same request may be sent again, unchanged.
            pub fn is_retryable(self) -> bool {
                match self {
                    $(Self::$variant => $retryable,)*
                }
            }
        }
    };
}

codes! {
    /// The body is not JSON, or not of the request's shape.
    InvalidRequest = "invalid_request", retryable: false;
    /// An id, a name or another argument breaks a rule.
    InvalidArgument = "invalid_argument", retryable: false;
    /// No such route.
    RouteNotFound = "route_not_found", retryable: false;
    /// The route exists, but not for this method.
    MethodNotAllowed = "method_not_allowed", retryable: false;
    /// The request came in plain HTTP, and the server speaks HTTPS.
    TlsRequired = "tls_required", retryable: false;
    /// The request does not say who sends it, or the key is not valid.
    Unauthenticated = "unauthenticated", retryable: false;
    /// The key does not permit this.
    PermissionDenied = "permission_denied", retryable: false;
    /// Too many requests of one address came with keys that are not valid.
    TooManyFailedAuthentications = "too_many_failed_authentications", retryable: true;
    /// No such API key.
    ApiKeyNotFound = "api_key_not_found", retryable: false;
    /// There are as many API keys as there may be.
    TooManyApiKeys = "too_many_api_keys", retryable: false;
    /// No such namespace.
    NamespaceNotFound = "namespace_not_found", retryable: false;
    /// A namespace of this name is there, with other settings.
    NamespaceAlreadyExists = "namespace_already_exists", retryable: false;
    /// The namespace is being deleted.
    NamespaceBeingDeleted = "namespace_being_deleted", retryable: false;
    /// The namespace has as much of something as it may have now.
    NamespaceLimit = "namespace_limit", retryable: true;
    /// No such module.
    ModuleNotFound = "module_not_found", retryable: false;
    /// No module of the namespace defines this workflow type.
    WorkflowTypeNotFound = "workflow_type_not_found", retryable: false;
    /// Several modules define it; the request must name one.
    WorkflowTypeAmbiguous = "workflow_type_ambiguous", retryable: false;
    /// No such schedule.
    ScheduleNotFound = "schedule_not_found", retryable: false;
    /// There is a schedule of this id already.
    ScheduleAlreadyExists = "schedule_already_exists", retryable: false;
    /// No such run.
    RunNotFound = "run_not_found", retryable: false;
    /// The run is closed already.
    RunClosed = "run_closed", retryable: false;
    /// The run is open, or a child of one that is, and can't be deleted yet.
    RunNeeded = "run_needed", retryable: false;
    /// A search attribute is not registered, or with another type. Also why a run is blocked.
    SearchAttributeInvalid = "search_attribute_invalid", retryable: false;
    /// A search attribute of this name is registered with another type.
    SearchAttributeAlreadyRegistered = "search_attribute_already_registered", retryable: false;
    /// An open run, or the next that starts, needs this version of a module.
    ModuleNeeded = "module_needed", retryable: false;
    /// An activity of this id is there, and the policies forbid another one.
    ActivityAlreadyStarted = "activity_already_started", retryable: false;
    /// The activity has its outcome, its attempt is over, or it never was.
    ActivityNotFound = "activity_not_found", retryable: false;
    /// No such batch.
    BatchNotFound = "batch_not_found", retryable: false;
    /// A batch of this id is open.
    BatchAlreadyStarted = "batch_already_started", retryable: false;
    /// The activity's attempt is not to be completed from outside.
    ActivityNotOpen = "activity_not_open", retryable: false;
    /// The worker does not have the attempt any more.
    LeaseLost = "lease_lost", retryable: false;
    /// The run has had as many signals as one run may.
    TooManySignals = "too_many_signals", retryable: false;
    /// The run has had as many updates as one run may, or as many without outcome.
    TooManyUpdates = "too_many_updates", retryable: false;
    /// The run knows no update of this id.
    UpdateNotFound = "update_not_found", retryable: false;
    /// The run does not wait where it could answer, and has not published it.
    QueryNotServed = "query_not_served", retryable: false;
    /// The run's code could not answer the query.
    QueryFailed = "query_failed", retryable: false;
    /// Code does not fit the history of a run that it is to go on with.
    ReplayDiverged = "replay_diverged", retryable: false;
    /// The history of the run can't be cut there.
    ResetPointInvalid = "reset_point_invalid", retryable: false;
    /// An event of the run is missing, or can't be read. Also why a run is blocked.
    HistoryDamaged = "history_damaged", retryable: false;
    /// The history was made by a newer version of the engine. Also why a run is blocked.
    EngineTooOld = "engine_too_old", retryable: false;
    /// A run of this workflow id exists, and the policies forbid another.
    WorkflowAlreadyStarted = "workflow_already_started", retryable: false;
    /// The request id was used before, for a request that says something else.
    RequestIdReused = "request_id_reused", retryable: false;
    /// The uploaded bytes are not a WebAssembly component.
    ModuleInvalid = "module_invalid", retryable: false;
    /// The component does not export what a module must.
    ModuleWrongWorld = "module_wrong_world", retryable: false;
    /// The component imports something that nothing can answer.
    ModuleImportUnknown = "module_import_unknown", retryable: false;
    /// The module is larger than the server allows.
    ModuleTooLarge = "module_too_large", retryable: false;
    /// Compiling the module takes more time or memory than the server allows.
    ModuleTooComplex = "module_too_complex", retryable: false;
    /// An input, result or detail is larger than the server allows.
    PayloadTooLarge = "payload_too_large", retryable: false;
    /// The database refuses to store what a request, or a run's code, would record.
    NotStorable = "not_storable", retryable: false;
    /// The store does not answer, or the node is starting or stopping.
    Unavailable = "unavailable", retryable: true;
    /// A filter of a list or a count can't be read, or makes no sense.
    FilterInvalid = "filter_invalid", retryable: false;
    /// A list or a count looked at more runs than there is time for.
    FilterTooSlow = "filter_too_slow", retryable: false;
    /// The server has no memory left for this request now. Nothing was done.
    Overloaded = "overloaded", retryable: true;
    /// The request came from a web page that is not this server's own.
    CrossSiteRequest = "cross_site_request", retryable: false;
    /// The request calls the server by a name that is none of its own.
    HostNotAllowed = "host_not_allowed", retryable: false;
    /// A defect of the server.
    Internal = "internal", retryable: true;
    /// Blocked: the code does not fit the recorded history.
    Nondeterminism = "nondeterminism", retryable: false;
    /// Blocked: the guest trapped.
    GuestTrap = "guest_trap", retryable: false;
    /// Blocked: one activation used more CPU than allowed.
    GuestCpuLimit = "guest_cpu_limit", retryable: false;
    /// Blocked: the guest used more memory or table space than allowed.
    GuestMemoryLimit = "guest_memory_limit", retryable: false;
    /// Blocked: the guest overflowed its stack.
    GuestStackOverflow = "guest_stack_overflow", retryable: false;
    /// Blocked: the guest called a function that workflows must not call.
    GuestForbiddenCall = "guest_forbidden_call", retryable: false;
    /// Blocked: the history or the pending operations would pass their limit.
    RunLimitExceeded = "run_limit_exceeded", retryable: false;
    /// Blocked: the module of the run can't be loaded on this node.
    ModuleUnavailable = "module_unavailable", retryable: false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_that_names_it() {
        let pages = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
        for code in ErrorCode::ALL {
            let path = format!("{pages}/{}.md", code.as_str());
            let page =
                std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(page.contains(code.as_str()), "{path} does not name its code");
        }
    }
}
