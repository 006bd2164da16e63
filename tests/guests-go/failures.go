package main

import (
	"context"
	"strings"
	"time"

	"dacapo"
)

// 27 to 42: failures, bugs and cancellation.
func init() {
	dacapo.RegisterWorkflow("fails", fails)
	dacapo.RegisterWorkflow("sees_failure", seesFailure)
	dacapo.RegisterWorkflow("sees_crash", seesCrash)
	dacapo.RegisterWorkflow("retries", retries)
	dacapo.RegisterWorkflow("retries_not", retriesNot)
	dacapo.RegisterWorkflow("retries_before", retriesBefore)
	dacapo.RegisterWorkflow("unknown_activity", unknownActivity)
	dacapo.RegisterWorkflow("bug", bug)
	dacapo.RegisterWorkflow("hoards", hoards)
	dacapo.RegisterWorkflow("spins", spins)
	dacapo.RegisterWorkflow("huge", huge)
	dacapo.RegisterWorkflow("calls_forbidden", callsForbidden)
	dacapo.RegisterWorkflow("cleans_up", cleansUp)
	dacapo.RegisterWorkflow("scope", scope)
	dacapo.RegisterWorkflow("asks", asks)
	dacapo.RegisterWorkflow("parent_cancelled", parentCancelled)
}

func fails(context.Context, dacapo.None) (dacapo.None, error) {
	return nil, &dacapo.Failure{
		Type:         "Refused",
		Message:      "it is refused",
		NonRetryable: true,
		Details:      map[string]int{"code": 7},
		Cause:        &dacapo.Failure{Type: "Inner", Message: "the reason"},
	}
}

type seen struct {
	Types   []string `json:"types"`
	Message string   `json:"message"`
	Details any      `json:"details"`
}

func seesFailure(ctx context.Context, _ dacapo.None) (seen, error) {
	asked := refusal{"Declined", "no funds", true, dacapo.Raw("[1,2]")}
	_, err := dacapo.Activity[dacapo.None](ctx, "refuse", asked)
	declined := dacapo.Chain(err)[1]
	return seen{typesOf(err), declined.Message, declined.Details}, nil
}

func seesCrash(ctx context.Context, _ dacapo.None) (int, error) {
	twice := &dacapo.RetryPolicy{InitialInterval: time.Millisecond, MaximumAttempts: 2}
	options := dacapo.ActivityOptions{Retry: twice}
	_, err := dacapo.Activity[dacapo.None](ctx, "crash", dacapo.None(nil), options)
	return len(typesOf(err)), nil
}

func retries(ctx context.Context, _ dacapo.None) (int, error) {
	return dacapo.Activity[int](ctx, "flaky", flakiness{3}, dacapo.ActivityOptions{Retry: atOnce})
}

func retriesNot(ctx context.Context, _ dacapo.None) ([]string, error) {
	policy := &dacapo.RetryPolicy{InitialInterval: time.Millisecond, NonRetryableTypes: []string{"Listed"}}
	asked := refusal{Type: "Listed", Message: "m"}
	_, err := dacapo.Activity[dacapo.None](ctx, "refuse", asked, dacapo.ActivityOptions{Retry: policy})
	return typesOf(err), nil
}

func unknownActivity(ctx context.Context, _ dacapo.None) ([]string, error) {
	_, err := dacapo.Activity[any](ctx, "nobody_defines_this", nil)
	return typesOf(err), nil
}

func bug(ctx context.Context, _ dacapo.None) (dacapo.None, error) {
	if err := noop(ctx); err != nil {
		return nil, err
	}
	panic("a bug in the workflow")
}

func hoards(ctx context.Context, _ dacapo.None) (dacapo.None, error) {
	if err := noop(ctx); err != nil {
		return nil, err
	}
	var kept [][]byte
	for filled := byte(1); ; filled++ {
		block := make([]byte, 1<<20)
		for index := range block {
			block[index] = filled
		}
		kept = append(kept, block)
	}
}

func spins(ctx context.Context, _ dacapo.None) (dacapo.None, error) {
	if err := noop(ctx); err != nil {
		return nil, err
	}
	// An empty loop takes longer than others until its fuel is spent.
	a, b, c, d, e, f, g, h := 0, 1, 2, 3, 4, 5, 6, 7
	for a != -1 || b != -1 || c != -1 || d != -1 {
		a, b, c, d = a+b, b+c, c+d, d+e
		e, f, g, h = e+f, f+g, g+h, h+1
		a, b, c, d = a+b, b+c, c+d, d+e
		e, f, g, h = e+f, f+g, g+h, h+1
		a, b, c, d = a+b, b+c, c+d, d+e
		e, f, g, h = e+f, f+g, g+h, h+1
	}
	return nil, nil
}

func huge(context.Context, dacapo.None) (string, error) { return strings.Repeat("x", 3<<20), nil }

func callsForbidden(ctx context.Context, _ dacapo.None) (string, error) {
	once := dacapo.ActivityOptions{Retry: &dacapo.RetryPolicy{MaximumAttempts: 1}}
	_, err := dacapo.Activity[dacapo.None](ctx, "forbidden", dacapo.None(nil), once)
	if err == nil {
		return "it did not fail", nil
	}
	return "failed", nil
}

const day = 24 * time.Hour

func cleansUp(ctx context.Context, _ dacapo.None) (dacapo.None, error) {
	err := dacapo.Sleep(ctx, day)
	if dacapo.IsCancelled(err) {
		if err := noop(context.WithoutCancel(ctx)); err != nil {
			return nil, err
		}
	}
	return nil, err
}

func scope(ctx context.Context, _ dacapo.None) ([]bool, error) {
	part, cancel := context.WithCancel(ctx)
	activity := dacapo.StartActivity[dacapo.None](part, "wait_cancel", dacapo.None(nil))
	timer := dacapo.StartTimer(part, day)
	if _, err := dacapo.NewSignal[any]("stop").Next(ctx); err != nil {
		return nil, err
	}
	cancel()
	_, first := activity.Get(part)
	_, second := timer.Get(part)
	if err := noop(ctx); err != nil {
		return nil, err
	}
	return []bool{dacapo.IsCancelled(first), dacapo.IsCancelled(second)}, nil
}

type asked struct {
	Cancelled bool     `json:"cancelled"`
	Types     []string `json:"types"`
	Message   string   `json:"message"`
}

func asks(ctx context.Context, _ dacapo.None) (asked, error) {
	patient := dacapo.ActivityOptions{Cancellation: dacapo.WaitCancelled}
	activity := dacapo.StartActivity[dacapo.None](ctx, "wait_cancel", dacapo.None(nil), patient)
	if _, err := dacapo.NewSignal[any]("stop").Next(ctx); err != nil {
		return asked{}, err
	}
	activity.Cancel()
	_, err := activity.Get(ctx)
	chain := dacapo.Chain(err)
	return asked{dacapo.IsCancelled(err), typesOf(err), chain[len(chain)-1].Message}, nil
}

func parentCancelled(ctx context.Context, _ dacapo.None) (any, error) {
	return dacapo.Child[any](ctx, "signal", dacapo.None(nil))
}

// retriesBefore asks for waits that can't be.
func retriesBefore(ctx context.Context, _ dacapo.None) ([]string, error) {
	var told []string
	for _, policy := range []*dacapo.RetryPolicy{{InitialInterval: -time.Second}, {MaximumInterval: -1}} {
		_, err := dacapo.Activity[dacapo.None](ctx, "noop", dacapo.None(nil), dacapo.ActivityOptions{Retry: policy})
		told = append(told, err.Error())
		_, err = dacapo.Child[dacapo.None](ctx, "square", 1, dacapo.ChildOptions{Retry: policy})
		told = append(told, err.Error())
	}
	return told, nil
}
