package main

import (
	"context"
	"fmt"
	"time"

	"dacapo"
)

func init() {
	dacapo.RegisterActivity("noop", func(context.Context, dacapo.None) (dacapo.None, error) { return nil, nil })
	dacapo.RegisterActivity("double", func(_ context.Context, number int64) (int64, error) { return 2 * number, nil })
	dacapo.RegisterActivity("echo", func(_ context.Context, value any) (any, error) { return value, nil })
	dacapo.RegisterActivity("flaky", flaky)
	dacapo.RegisterActivity("refuse", refuse)
	dacapo.RegisterActivity("crash", crash)
	dacapo.RegisterActivity("count_to", countTo)
	dacapo.RegisterActivity("wait_cancel", waitCancel)
	dacapo.RegisterActivity("attempt_info", attemptInfo)
	dacapo.RegisterActivity("forbidden", forbidden)
}

type flakiness struct {
	SucceedAt uint32 `json:"succeed_at"`
}

func flaky(_ context.Context, in flakiness) (uint32, error) {
	attempt := dacapo.Attempt().Attempt
	if attempt < in.SucceedAt {
		return 0, &dacapo.Failure{Type: "NotYet", Message: fmt.Sprint("attempt ", attempt)}
	}
	return attempt, nil
}

type refusal struct {
	Type         string     `json:"type"`
	Message      string     `json:"message"`
	NonRetryable bool       `json:"non_retryable"`
	Details      dacapo.Raw `json:"details,omitempty"`
}

func refuse(_ context.Context, in refusal) (dacapo.None, error) {
	failure := &dacapo.Failure{
		Type:         in.Type,
		Message:      in.Message,
		NonRetryable: in.NonRetryable,
		Cause:        &dacapo.Failure{Type: "Reason", Message: "as asked"},
	}
	if in.Details != nil {
		failure.Details = in.Details
	}
	return nil, failure
}

func crash(context.Context, dacapo.None) (dacapo.None, error) {
	panic("a bug in the activity")
}

type count struct {
	N         int `json:"n"`
	FailAfter int `json:"fail_after"`
}

type counted struct {
	Attempt uint32 `json:"attempt"`
	From    int    `json:"from"`
}

func countTo(_ context.Context, in count) (counted, error) {
	last, _ := dacapo.HeartbeatDetails[int]()
	attempt := dacapo.Attempt().Attempt
	for number := last + 1; number <= in.N; number++ {
		dacapo.Heartbeat(number)
		if attempt == 1 && number == in.FailAfter {
			return counted{}, &dacapo.Failure{Type: "Interrupted", Message: "fails as asked"}
		}
	}
	return counted{attempt, last + 1}, nil
}

func waitCancel(context.Context, dacapo.None) (dacapo.None, error) {
	dacapo.Signals()
	for !dacapo.WaitCancelRequested(600 * time.Second) {
	}
	return nil, dacapo.Cancelled("stopped")
}

type attemptTold struct {
	ActivityType string `json:"activity_type"`
	Operation    uint32 `json:"operation"`
	Attempt      uint32 `json:"attempt"`
	WorkflowID   string `json:"workflow_id"`
}

func attemptInfo(context.Context, dacapo.None) (attemptTold, error) {
	info := dacapo.Attempt()
	return attemptTold{info.ActivityType, info.Operation, info.Attempt, info.WorkflowID}, nil
}

func forbidden(ctx context.Context, _ dacapo.None) (dacapo.None, error) {
	return nil, dacapo.Sleep(ctx, time.Millisecond)
}
