//! What a run begins with.

use dacapo_engine::compat::ENGINE_VERSION;
use dacapo_model::event::{Chain, RunOptions, WorkflowExecutionStarted};
use dacapo_model::ids::{RunId, RunKey, WorkflowId};
use dacapo_model::module::ModuleDigest;
use dacapo_model::time::Timestamp;
use dacapo_model::update::AdmittedUpdate;

use crate::run::NewRun;
use crate::tenancy::Tenant;
use crate::types::StartRequest;

impl Tenant {
    /// The run that a request asks for.
    pub(in crate::operations) fn new_run(
        &self,
        request: &StartRequest,
        module_digest: ModuleDigest,
        workflow_id: &WorkflowId,
        run_id: RunId,
        now: Timestamp,
    ) -> NewRun {
        let policy = self.shared.namespaces.policy_of_run(&self.namespace, workflow_id);
        NewRun {
            key: RunKey { hash: self.hash_of(workflow_id), run_id },
            namespace: self.namespace.clone(),
            workflow_id: workflow_id.clone(),
            started: WorkflowExecutionStarted {
                workflow_type: request.workflow_type.clone(),
                module_digest,
                input: request.input.clone(),
                engine_version: ENGINE_VERSION,
                request_id: request.request_id.clone(),
                environment: request.environment.clone(),
                arguments: request.arguments.clone(),
                continued_from: None,
                initial_signals: 0,
                parent: None,
                options: RunOptions {
                    run_timeout: request.options.run_timeout,
                    execution_timeout: request.options.execution_timeout,
                    retry: request.options.retry.clone(),
                    attributes: request.options.attributes.clone(),
                    continue_as_new_after: policy.limits.continue_as_new_after(),
                    trace: self.trace.as_deref().cloned().map(Box::new),
                    ..RunOptions::default()
                },
                chain: Chain::default(),
            },
            start_delay: request.options.start_delay,
            signals: request.signal.iter().cloned().collect(),
            updates: request
                .update
                .iter()
                .map(|update| AdmittedUpdate { update: update.clone(), admitted_at: now })
                .collect(),
        }
    }
}
