//! What becomes of an action while runs of former ones are open.

use crate::types::OverlapPolicy;

/// Runs of one schedule that are open at a time. Further actions wait.
pub(super) const RUNNING_MAX: usize = 500;

/// Actions that wait at a time.
pub(super) const BUFFERED_MAX: usize = 1_000;

/// What to do with an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is taken now.
    Start,
    /// It waits.
    Buffer,
    /// It waits alone: the others are skipped, and what is open is told to end.
    BufferInstead,
    /// It is skipped.
    Skip,
    /// There is no room for it.
    Drop,
}

/// Decides about an action, given how many runs are open and how many actions wait. What
/// could start while there is no room for a start waits.
pub(super) fn decide(
    policy: OverlapPolicy,
    running: usize,
    buffered: usize,
    has_room: bool,
) -> Verdict {
    let waits = if buffered < BUFFERED_MAX { Verdict::Buffer } else { Verdict::Drop };
    let starts = if has_room { Verdict::Start } else { waits };
    if policy == OverlapPolicy::AllowAll {
        return if running < RUNNING_MAX { starts } else { waits };
    }
    if running == 0 && buffered == 0 {
        return starts;
    }
    match policy {
        OverlapPolicy::Skip => Verdict::Skip,
        OverlapPolicy::BufferOne if buffered > 0 => Verdict::Skip,
        OverlapPolicy::BufferOne | OverlapPolicy::BufferAll => waits,
        OverlapPolicy::CancelOther | OverlapPolicy::TerminateOther => Verdict::BufferInstead,
        OverlapPolicy::AllowAll => starts,
    }
}

/// Whether an action that waits may be taken.
pub(super) fn may_start(policy: OverlapPolicy, running: usize) -> bool {
    match policy {
        OverlapPolicy::AllowAll => running < RUNNING_MAX,
        _ => running == 0,
    }
}

#[cfg(test)]
mod tests {
    use OverlapPolicy::*;

    use super::*;

    #[test]
    fn each_policy_has_its_way_with_what_is_open() {
        for policy in [Skip, BufferOne, BufferAll, CancelOther, TerminateOther, AllowAll] {
            assert_eq!(decide(policy, 0, 0, true), Verdict::Start, "{policy:?}");
            assert_eq!(decide(policy, 0, 0, false), Verdict::Buffer, "{policy:?}");
            assert!(may_start(policy, 0));
            assert_eq!(may_start(policy, 1), policy == AllowAll);
        }
        for (policy, running, buffered, verdict) in [
            (Skip, 1, 0, Verdict::Skip),
            (BufferOne, 1, 0, Verdict::Buffer),
            (BufferOne, 1, 1, Verdict::Skip),
            (BufferAll, 1, 999, Verdict::Buffer),
            (BufferAll, 1, 1_000, Verdict::Drop),
            (CancelOther, 1, 5, Verdict::BufferInstead),
            (TerminateOther, 1, 0, Verdict::BufferInstead),
            (AllowAll, 499, 0, Verdict::Start),
            (AllowAll, 500, 0, Verdict::Buffer),
            (AllowAll, 500, 1_000, Verdict::Drop),
        ] {
            assert_eq!(decide(policy, running, buffered, true), verdict, "{policy:?} {running}");
        }
    }
}
