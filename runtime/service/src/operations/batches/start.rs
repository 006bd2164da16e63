//! Starts a batch, or says what it would do.

use std::collections::BTreeMap;

use dacapo_model::code::ErrorCode;
use dacapo_model::execution::{IdConflictPolicy, IdReusePolicy};
use dacapo_model::ids::{BatchId, TypeName};
use uuid::Uuid;

use super::super::locate::check_reason;
use super::super::tag::check_tags;
use super::{WORKFLOW, invalid, workflow_id};
use crate::builtin;
use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;
use crate::types::{
    BatchOperation, BatchSpec, StartBatchRequest, StartOptions, StartRequest, StartedBatch,
};

/// Runs per second that may be asked for.
const RATES: std::ops::RangeInclusive<f64> = 0.1..=10_000.0;

/// Bytes of a signal's input: what a batch does is the input of its run.
const SIGNAL_BYTES_MAX: usize = 256 * 1024;

impl Tenant {
    /// Starts an operation on all runs that match. When it returns, the start is committed.
    /// With `unavailable` it may be: the same request id makes a repeat safe.
    pub async fn start_batch(&self, request: StartBatchRequest) -> Result<StartedBatch> {
        check(&request)?;
        let batch_id = match (request.batch_id, &request.request_id) {
            (Some(batch_id), _) => batch_id,
            (None, None) => made_up_id()?,
            (None, Some(_)) => {
                return Err(invalid(
                    "a request_id needs a batch_id: repeats are recognised within one",
                ));
            }
        };
        // Refused now, instead of by the batch.
        self.batch_filter(&request.filter).await?;
        let name = request.operation.name();
        let spec = BatchSpec {
            operation: request.operation,
            filter: request.filter,
            reason: request.reason,
            runs_per_second: request.runs_per_second,
        };
        let start = StartRequest {
            workflow_type: TypeName::new(name)?,
            workflow_id: Some(workflow_id(&batch_id)?),
            request_id: request.request_id,
            input: builtin::batch::input(&spec),
            module: None,
            reuse_policy: IdReusePolicy::AllowDuplicate,
            conflict_policy: Some(IdConflictPolicy::Fail),
            environment: BTreeMap::new(),
            arguments: Vec::new(),
            options: StartOptions::default(),
            signal: None,
            update: None,
        };
        let started = self.start_builtin(WORKFLOW, start).await;
        let started = started.map_err(|error| self.told_of_batch(&batch_id, error))?.started;
        Ok(StartedBatch { batch_id, run_id: started.run_id, started: started.started })
    }

    /// How many runs a batch would be about now. Changes nothing.
    pub async fn preview_batch(&self, request: &StartBatchRequest) -> Result<u64> {
        check(request)?;
        self.count_matching(&request.filter).await?.ok_or_else(|| {
            ServiceError::new(
                ErrorCode::FilterTooSlow,
                "it takes too long to count the runs that match; nothing was done",
            )
        })
    }
}

fn check(request: &StartBatchRequest) -> Result<()> {
    check_reason(&request.reason)?;
    if request.filter.trim().is_empty() {
        return Err(invalid(
            "filter is empty: say which runs are meant. `StartTime > '1970-01-01T00:00:00Z'` means \
             all of the namespace",
        ));
    }
    if !RATES.contains(&request.runs_per_second) {
        return Err(invalid(format!(
            "runs_per_second must be from {} to {}",
            RATES.start(),
            RATES.end()
        )));
    }
    match &request.operation {
        BatchOperation::Tag { changes } => check_tags(changes),
        BatchOperation::Signal { input, .. } if input.len() > SIGNAL_BYTES_MAX => {
            Err(invalid(format!(
                "the signal's input has {} bytes; at most {SIGNAL_BYTES_MAX} are allowed in a \
                 batch. Pass a reference to the data",
                input.len()
            )))
        }
        _ => Ok(()),
    }
}

#[expect(clippy::disallowed_methods, reason = "a batch's id is made here, once, and recorded")]
fn made_up_id() -> Result<BatchId> {
    Ok(BatchId::new(Uuid::now_v7().to_string())?)
}
