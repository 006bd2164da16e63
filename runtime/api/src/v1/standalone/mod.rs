//! Activities that no workflow asked for.

pub(crate) mod cancel;
pub(crate) mod complete;
pub(crate) mod describe;
pub(crate) mod fail;
pub(crate) mod list;
pub(crate) mod result;
pub(crate) mod start;
pub(crate) mod terminate;

use dacapo_model::ids::{ActivityId, RunId};
use dacapo_service::operations::StandaloneRef;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::error::ApiError;

/// What comes after `.../activities/` in the paths of other routes.
const ROUTES: [&str; 6] = ["cancel", "complete", "fail", "heartbeat", "heartbeats", "reports"];

/// Names an activity that no workflow asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct StandalonePath {
    /// The activity id, percent-encoded: any characters but control characters.
    #[param(value_type = String, example = "welcome-17")]
    activity_id: ActivityId,
}

impl StandalonePath {
    fn activity(self, run_id: Option<RunId>) -> StandaloneRef {
        StandaloneRef { activity_id: self.activity_id, run_id }
    }
}

/// Refuses an id that no path could name.
fn check_addressable(activity_id: &ActivityId) -> Result<(), ApiError> {
    if !ROUTES.contains(&activity_id.as_str()) {
        return Ok(());
    }
    Err(ApiError::invalid_argument(format!(
        "an activity can't be called `{activity_id}`, which is the name of a route: choose another \
         activity_id"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_beside_activities_is_no_name_of_one() {
        let document = crate::openapi::openapi();
        let beside = document.paths.paths.keys().filter_map(|path| {
            let name = path.strip_prefix("/api/v1/namespaces/{namespace}/activities/")?;
            (!name.contains(['/', '{'])).then_some(name)
        });
        assert_eq!(beside.collect::<Vec<_>>(), ROUTES);
        let taken = ActivityId::new("complete").expect("an id");
        assert!(check_addressable(&taken).is_err());
    }
}
