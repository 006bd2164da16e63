//! Bounds a description: failures and heartbeats of activities are as large as guests like.

use super::{ActivityDescription, RunDescription};

/// Bytes of failures and heartbeats that are shown of all activities of a run: it may
/// have thousands that wait for another attempt, each with its last failure.
const BYTES_MAX: usize = 4 * 1024 * 1024;

impl RunDescription {
    /// Leaves out the failures and heartbeats of activities beyond a bound for all of
    /// them. Returns the bytes that are left.
    pub fn limit_bytes(&mut self) -> usize {
        limit(&mut self.pending_activities)
    }
}

fn limit(activities: &mut [ActivityDescription]) -> usize {
    let mut shown = 0;
    for activity in activities {
        let bytes = bytes_of(activity);
        if shown + bytes <= BYTES_MAX {
            shown += bytes;
        } else {
            activity.last_failure = None;
            activity.heartbeat_details = None;
        }
    }
    shown
}

/// Bytes of its last failure and its last heartbeat.
fn bytes_of(activity: &ActivityDescription) -> usize {
    let failure = activity.last_failure.as_ref().map_or(0, |failure| {
        let infos = std::iter::once(&failure.info).chain(&failure.causes);
        let texts: usize = infos.map(|it| it.message.len() + it.type_name.len()).sum();
        texts + failure.details_len()
    });
    failure + activity.heartbeat_details.as_ref().map_or(0, |details| details.len())
}

#[cfg(test)]
mod tests {
    use dacapo_model::failure::{Failure, FailureKind};
    use dacapo_model::ids::{EventId, OperationId, TypeName};
    use dacapo_model::payload::Payload;
    use dacapo_model::time::Timestamp;

    use super::*;

    fn activity(details: usize) -> ActivityDescription {
        let mut failure = Failure::new(FailureKind::Application, "Declined", "no");
        failure.info.details = Some(Payload::from(vec![b'1'; details]));
        ActivityDescription {
            scheduled_event_id: EventId(1),
            operation_id: OperationId(1),
            activity_type: TypeName::new("charge").expect("valid"),
            scheduled_at: Timestamp::default(),
            attempt: 2,
            next_attempt_at: None,
            last_failure: Some(failure),
            heartbeat_details: Some(Payload::from(vec![b'1'; 100])),
            is_open: false,
            cancel_requested: false,
            paused: false,
            task_queue: None,
            lease: None,
        }
    }

    #[test]
    fn failures_and_heartbeats_are_shown_up_to_a_bound() {
        const MIB: usize = 1024 * 1024;
        let mut activities = [2, 1, 2, 1].map(|mib| activity(mib * MIB - 200));
        let shown = limit(&mut activities);
        assert!((3 * MIB..=BYTES_MAX).contains(&shown), "{shown}");
        let is_shown: Vec<bool> = activities.iter().map(|it| it.last_failure.is_some()).collect();
        assert_eq!(is_shown, [true, true, false, true]);
        assert!(activities[2].heartbeat_details.is_none());
        assert_eq!(activities[2].attempt, 2);
    }
}
