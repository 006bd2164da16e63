package dacapo

import (
	"fmt"
	"time"

	"dacapo/internal/wit/imports/dacapo_workflow_children"
	ops "dacapo/internal/wit/imports/dacapo_workflow_operations"
	"dacapo/internal/wit/imports/dacapo_workflow_task_queues"
	wit "dacapo/internal/wit/imports/dacapo_workflow_types"
	"dacapo/internal/wit/types"
)

// RetryPolicy says when and how often a failed activity or child is tried again. What is zero is as
// the server has it.
type RetryPolicy struct {
	// InitialInterval is the wait before the second attempt: 1 s by default.
	InitialInterval time.Duration
	// BackoffCoefficient is by how much waits grow: 2 by default.
	BackoffCoefficient float64
	// MaximumInterval is the longest wait: 100 times the initial interval by default.
	MaximumInterval time.Duration
	// MaximumAttempts is how many attempts there are in total: without end by default.
	MaximumAttempts uint32
	// NonRetryableTypes are the types of failures that are not tried again.
	NonRetryableTypes []string
}

// Cancellation says what becomes of an activity or a child when the wait for it is cancelled.
type Cancellation uint8

const (
	// CancelDefault is TryCancel of an activity, and WaitCancelled of a child.
	CancelDefault Cancellation = iota
	// TryCancel tells it, and ends the wait at once.
	TryCancel
	// WaitCancelled tells it, and waits for its end.
	WaitCancelled
	// WaitRequested tells a child, and waits until it has recorded that.
	WaitRequested
	// Abandon does not tell it, and ends the wait at once.
	Abandon
)

// ActivityOptions say how an activity is run. What is zero is as the server has it.
type ActivityOptions struct {
	// StartToClose limits one attempt.
	StartToClose time.Duration
	// ScheduleToClose limits all attempts and the waits between them.
	ScheduleToClose time.Duration
	// ScheduleToStart limits the time until an attempt begins.
	ScheduleToStart time.Duration
	// Heartbeat is the longest silence of an attempt that tells how far it has come.
	Heartbeat time.Duration
	Retry     *RetryPolicy
	// TaskQueue is where workers wait for it. Without one it is an activity of a module.
	TaskQueue string
	// Priority is from 1, which comes first, to 5.
	Priority uint8
	// FairnessKey says whose task it is; all keys have their turns.
	FairnessKey    string
	FairnessWeight float64
	// Module is another module that defines it, and ModuleVersion a certain version of that.
	Module        string
	ModuleVersion uint32
	Cancellation  Cancellation
	// CancellationGrace is how long it has to end with WaitCancelled: 10 s by default.
	CancellationGrace time.Duration
}

func (o *ActivityOptions) toWit() ops.ActivityOptions {
	options := ops.ActivityOptions{
		StartToCloseTimeout:    optionalDuration(o.StartToClose),
		ScheduleToCloseTimeout: optionalDuration(o.ScheduleToClose),
		ScheduleToStartTimeout: optionalDuration(o.ScheduleToStart),
		HeartbeatTimeout:       optionalDuration(o.Heartbeat),
		TaskQueue:              optionalText(o.TaskQueue),
	}
	if o.Retry != nil {
		options.Retry = types.Some(o.Retry.toWit())
	}
	return options
}

func (o *ActivityOptions) placement() (dacapo_workflow_task_queues.TaskPlacement, bool) {
	placement := dacapo_workflow_task_queues.TaskPlacement{
		Queue:       o.TaskQueue,
		FairnessKey: optionalText(o.FairnessKey),
	}
	if o.Priority != 0 {
		placement.Priority = types.Some(o.Priority)
	}
	if o.FairnessWeight != 0 {
		placement.FairnessWeight = types.Some(o.FairnessWeight)
	}
	return placement, o.Priority != 0 || o.FairnessKey != "" || o.FairnessWeight != 0
}

// problem says what of a policy can't be: as an unsigned number it would be a very long time.
func (p *RetryPolicy) problem() string {
	if p == nil {
		return ""
	}
	if p.InitialInterval < 0 {
		return fmt.Sprintf("the retry policy has a negative InitialInterval: %v", p.InitialInterval)
	}
	if p.MaximumInterval < 0 {
		return fmt.Sprintf("the retry policy has a negative MaximumInterval: %v", p.MaximumInterval)
	}
	return ""
}

func (p *RetryPolicy) toWit() wit.RetryPolicy {
	policy := wit.RetryPolicy{
		InitialInterval:    uint64(p.InitialInterval),
		BackoffCoefficient: p.BackoffCoefficient,
		MaximumInterval:    optionalDuration(p.MaximumInterval),
		MaximumAttempts:    p.MaximumAttempts,
		NonRetryableTypes:  p.NonRetryableTypes,
	}
	if policy.BackoffCoefficient == 0 {
		policy.BackoffCoefficient = 2
	}
	return policy
}

func moduleRef(name string, version uint32) dacapo_workflow_children.ModuleRef {
	module := dacapo_workflow_children.ModuleRef{Name: name}
	if version != 0 {
		module.Version = types.Some(version)
	}
	return module
}
