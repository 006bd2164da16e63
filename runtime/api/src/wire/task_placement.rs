//! Where the tasks of an activity wait.

use dacapo_model::ids::QueueName;
use dacapo_model::task::TaskRoute;
use serde::Serialize;
use utoipa::ToSchema;

/// The task queue of an activity that workers run, and which of its tasks come first.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskPlacement {
    /// The queue.
    #[schema(value_type = String)]
    name: QueueName,
    /// From 1, which comes first, to 5.
    #[schema(minimum = 1, maximum = 5)]
    priority: u8,
    /// Whose task it is: those of one priority are handed out in turn by key.
    #[serde(skip_serializing_if = "Option::is_none")]
    fairness_key: Option<String>,
    /// How many turns its key has for each turn of one with the weight 1.
    fairness_weight: f64,
}

impl From<TaskRoute> for TaskPlacement {
    fn from(route: TaskRoute) -> Self {
        let TaskRoute { queue, priority, fairness_key, fairness_weight } = route;
        Self {
            name: queue,
            priority: priority.number(),
            fairness_key: fairness_key.map(String::from),
            fairness_weight: fairness_weight.number(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_default_is_shown() {
        let route = TaskRoute::to(QueueName::new("emails").expect("a valid name"));
        let shown = serde_json::to_value(TaskPlacement::from(route)).expect("has a JSON form");
        assert_eq!(shown, json!({"name": "emails", "priority": 3, "fairness_weight": 1.0}));
    }
}
