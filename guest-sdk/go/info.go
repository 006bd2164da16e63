package dacapo

import (
	"strings"
	"time"

	"dacapo/internal/wit/imports/dacapo_workflow_run_context"
	memory "dacapo/internal/wit/runtime"
	"dacapo/internal/wit/types"
)

// RunInfo is what was fixed when the run started.
type RunInfo struct {
	Namespace, WorkflowID, RunID, WorkflowType string
	// ModuleDigest is the SHA-256 of the module that the run is pinned to.
	ModuleDigest string
	StartedAt    time.Time
	// Attempt counts the runs since one failed, from 1.
	Attempt uint32
	// FirstRunID is the first of the runs that followed each other up to this one.
	FirstRunID string
	// ContinuedFromRunID is the run before this one, or empty.
	ContinuedFromRunID string
	// RunTimeout and ExecutionTimeout are 0 if there is none.
	RunTimeout, ExecutionTimeout time.Duration
	// ExecutionDeadline is zero if there is none.
	ExecutionDeadline time.Time
}

// Info describes this run.
func Info() RunInfo {
	requireRun()
	defer memory.Reset()
	from := dacapo_workflow_run_context.Info()
	info := RunInfo{
		Namespace:          strings.Clone(from.Namespace),
		WorkflowID:         strings.Clone(from.WorkflowId),
		RunID:              strings.Clone(from.RunId),
		WorkflowType:       strings.Clone(from.WorkflowType),
		ModuleDigest:       strings.Clone(from.ModuleDigest),
		StartedAt:          instant(from.StartedAt),
		Attempt:            from.Attempt,
		FirstRunID:         strings.Clone(from.FirstRunId),
		ContinuedFromRunID: strings.Clone(orZero(from.ContinuedFromRunId)),
		RunTimeout:         time.Duration(orZero(from.RunTimeout)),
		ExecutionTimeout:   time.Duration(orZero(from.ExecutionTimeout)),
	}
	if from.ExecutionDeadline.IsSome() {
		info.ExecutionDeadline = instant(from.ExecutionDeadline.Some())
	}
	return info
}

func instant(nanoseconds uint64) time.Time { return time.Unix(0, int64(nanoseconds)).UTC() }

func orZero[T any](option types.Option[T]) T {
	if option.IsSome() {
		return option.Some()
	}
	var zero T
	return zero
}

// ContinuedFailure is what the attempt before failed with, or nil.
func ContinuedFailure() *Failure {
	requireRun()
	defer memory.Reset()
	failure := dacapo_workflow_run_context.ContinuedFailure()
	if !failure.IsSome() {
		return nil
	}
	return failureFromWit(failure.Some())
}

// HistoryLength is how many events the history had when the last one was delivered.
func HistoryLength() uint64 { requireRun(); return dacapo_workflow_run_context.HistoryLength() }

// HistoryBytes is about how many bytes of history the run has made.
func HistoryBytes() uint64 { requireRun(); return dacapo_workflow_run_context.HistoryBytes() }

// ContinueAsNewSuggested is true once the history has become so long that the run should continue as
// new.
func ContinueAsNewSuggested() bool {
	requireRun()
	return dacapo_workflow_run_context.ContinueAsNewSuggested()
}
