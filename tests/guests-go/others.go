package main

import (
	"context"

	"dacapo"
)

// 19 to 26: other runs.
func init() {
	dacapo.RegisterWorkflow("square", func(_ context.Context, number int) (int, error) { return number * number, nil })
	dacapo.RegisterWorkflow("parent", parent)
	dacapo.RegisterWorkflow("parent_of_failure", parentOfFailure)
	dacapo.RegisterWorkflow("nudge", nudge)
	dacapo.RegisterWorkflow("leaves", leaves)
	dacapo.RegisterWorkflow("tells", tells)
	dacapo.RegisterWorkflow("cancels", cancels)
	dacapo.RegisterWorkflow("relay", relay)
	dacapo.RegisterWorkflow("tries", tries)
}

func parent(ctx context.Context, in struct {
	Number int `json:"number"`
}) (int, error) {
	return dacapo.Child[int](ctx, "square", in.Number)
}

func parentOfFailure(ctx context.Context, _ dacapo.None) ([]string, error) {
	_, err := dacapo.Child[dacapo.None](ctx, "fails", dacapo.None(nil))
	return typesOf(err), nil
}

func nudge(ctx context.Context, in struct {
	Text string `json:"text"`
}) (any, error) {
	child, err := dacapo.StartChild[any](ctx, "signal", dacapo.None(nil))
	if err != nil {
		return nil, err
	}
	if err := child.Signal(ctx, "go", in.Text); err != nil {
		return nil, err
	}
	return child.Get(ctx)
}

type left struct {
	WorkflowID string `json:"workflow_id"`
}

func leaves(ctx context.Context, in struct {
	Policy     string `json:"policy"`
	WorkflowID string `json:"workflow_id"`
}) (left, error) {
	policies := map[string]dacapo.ParentClosePolicy{
		"abandon":        dacapo.CloseAbandon,
		"terminate":      dacapo.CloseTerminate,
		"request_cancel": dacapo.CloseRequestCancel,
	}
	options := dacapo.ChildOptions{WorkflowID: in.WorkflowID, ParentClosePolicy: policies[in.Policy]}
	child, err := dacapo.StartChild[any](ctx, "signal", dacapo.None(nil), options)
	if err != nil {
		return left{}, err
	}
	return left{child.WorkflowID}, nil
}

type recipient struct {
	To string `json:"to"`
}

func tells(ctx context.Context, in recipient) ([]any, error) {
	if err := dacapo.SignalExternal(ctx, in.To, "", "go", 5); err != nil {
		return nil, err
	}
	err := dacapo.SignalExternal(ctx, "nobody-has-this-id", "", "go", 5)
	return []any{nil, typesOf(err)}, nil
}

func cancels(ctx context.Context, in recipient) (dacapo.None, error) {
	return nil, dacapo.CancelExternal(ctx, in.To, "", "enough")
}

type relayed struct {
	Count int   `json:"count"`
	Taken []int `json:"taken"`
}

func relay(ctx context.Context, in relayed) ([]int, error) {
	if len(in.Taken) == 0 {
		if _, err := begin.Next(ctx); err != nil {
			return nil, err
		}
	}
	in.Taken = append(in.Taken, <-word.Chan(ctx))
	if err := noop(ctx); err != nil {
		return nil, err
	}
	if len(in.Taken) == in.Count {
		return in.Taken, nil
	}
	return nil, dacapo.ContinueAsNew(in)
}

type tried struct {
	Attempt uint32 `json:"attempt"`
	Before  string `json:"before"`
}

func tries(context.Context, dacapo.None) (tried, error) {
	attempt := dacapo.Info().Attempt
	if attempt == 1 {
		return tried{}, &dacapo.Failure{Type: "NotYet", Message: "attempt 1"}
	}
	return tried{attempt, dacapo.ContinuedFailure().Type}, nil
}
