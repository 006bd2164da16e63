//! The runs that a batch is about.

use dacapo_filter::{Order, OrderBy};
use dacapo_model::code::ErrorCode;
use dacapo_model::execution::Execution;
use dacapo_model::time::Timestamp;
use dacapo_store::execution::{ExecutionCursor, ExecutionFilter, ListPlace};

use super::Place;
use super::invalid;
use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;

impl Tenant {
    /// Those that match and were started before a time, from the newest start to the oldest,
    /// after a place.
    pub(crate) async fn matching(
        &self,
        filter: &str,
        started_before: Timestamp,
        after: Option<Place>,
        limit: u32,
    ) -> Result<Vec<Execution>> {
        let filter = ExecutionFilter {
            started_before: Some(started_before),
            ..self.batch_filter(filter).await?
        };
        let after = after.map(|Place { started_at, run_id }| ExecutionCursor {
            place: ListPlace::Started(started_at),
            run_id,
        });
        Ok(self.list_runs(&filter, after, limit).await?.executions)
    }

    /// How many match; none if that takes too long to find out.
    pub(crate) async fn count_matching(&self, filter: &str) -> Result<Option<u64>> {
        match self.count_runs(&self.batch_filter(filter).await?, None).await {
            Ok(count) => Ok(Some(count.runs)),
            Err(ServiceError { code: ErrorCode::FilterTooSlow, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn batch_filter(&self, text: &str) -> Result<ExecutionFilter> {
        let checked = self.filter(text).await?;
        if checked.order.is_some() {
            return Err(invalid(
                "the filter of a batch has no ORDER BY: it goes from the newest start to the \
                 oldest, so that what it starts is not in it",
            ));
        }
        Ok(ExecutionFilter {
            filter: checked.filter,
            order: Some(Order { by: OrderBy::StartTime, is_descending: true }),
            ..ExecutionFilter::default()
        })
    }
}
