package dacapo

import (
	"fmt"
	"strings"
	"time"

	attempt "dacapo/internal/wit/imports/dacapo_workflow_activity_context"
	memory "dacapo/internal/wit/runtime"
	"dacapo/internal/wit/types"
)

// AttemptInfo describes one attempt of an activity.
type AttemptInfo struct {
	Namespace, WorkflowID, RunID, ActivityType string
	// Operation is its number in the run that asked for it.
	Operation uint32
	// Attempt is counted from 1.
	Attempt uint32
	// Deadline is when this attempt will be stopped.
	Deadline time.Time
}

// IdempotencyKey is the same in each attempt, and in no other activity.
func (i AttemptInfo) IdempotencyKey() string { return fmt.Sprintf("%s-%d", i.RunID, i.Operation) }

// Attempt describes the attempt that is executing. Activities only.
func Attempt() AttemptInfo {
	defer memory.Reset()
	from := attempt.Info()
	return AttemptInfo{
		Namespace:    strings.Clone(from.Namespace),
		WorkflowID:   strings.Clone(from.WorkflowId),
		RunID:        strings.Clone(from.RunId),
		ActivityType: strings.Clone(from.ActivityType),
		Operation:    from.Operation,
		Attempt:      from.Attempt,
		Deadline:     instant(from.Deadline),
	}
}

// AttemptSignals are what an attempt is to know while it runs.
type AttemptSignals struct {
	// CancelRequested says that the activity should end soon, with a failure that Cancelled makes.
	CancelRequested bool
	// Paused says that an operator holds the activity.
	Paused bool
}

// Heartbeat says that the attempt is alive, and what the next one is to be told if this one fails.
// Activities only. It panics if the details can't be written as JSON.
func Heartbeat(details any) AttemptSignals {
	text, err := encode(details)
	if err != nil {
		panic(unfit("the details of the heartbeat", "InvalidInput", err))
	}
	return AttemptSignals(attempt.Heartbeat(types.Some(text)))
}

// HeartbeatDetails reads what the last heartbeat of an attempt before this one said, if any did.
func HeartbeatDetails[T any]() (T, bool) {
	defer memory.Reset()
	details := attempt.HeartbeatDetails()
	var value T
	if !details.IsSome() {
		return value, false
	}
	value, err := decodeAs[T](clone(details.Some()), "the details of the heartbeat", "InvalidInput")
	return value, err == nil
}

// Signals are what this attempt is to know now. Activities only.
func Signals() AttemptSignals { return AttemptSignals(attempt.Signals()) }

// WaitCancelRequested waits until the activity is asked to cancel, and returns true; or for so long,
// and returns false. All goroutines stand still meanwhile. Activities only.
func WaitCancelRequested(timeout time.Duration) bool {
	return attempt.WaitCancelRequested(uint64(max(timeout, 0)))
}

// CompleteLater leaves the attempt for somebody else to complete, and returns the token for that. What
// the activity returns is then ignored. Activities only.
func CompleteLater() string {
	defer memory.Reset()
	return strings.Clone(attempt.CompleteLater())
}
