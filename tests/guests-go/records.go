package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"dacapo"
)

// 43 to 52: what is recorded beside steps.
func init() {
	dacapo.RegisterWorkflow("heartbeats", heartbeats)
	dacapo.RegisterWorkflow("versions", versions)
	dacapo.RegisterWorkflow("side_effects", sideEffects)
	dacapo.RegisterWorkflow("memo", memo)
	dacapo.RegisterWorkflow("search_attributes", searchAttributes)
	dacapo.RegisterWorkflow("logs", logs)
	dacapo.RegisterWorkflow("payloads", payloads)
	dacapo.RegisterWorkflow("nothing", nothing)
	dacapo.RegisterWorkflow("about", about)
	dacapo.RegisterWorkflow("options", options)
}

func heartbeats(ctx context.Context, _ dacapo.None) (any, error) {
	options := dacapo.ActivityOptions{Heartbeat: 10 * time.Second, Retry: atOnce}
	return dacapo.Activity[any](ctx, "count_to", count{3, 2}, options)
}

func versions(context.Context, dacapo.None) ([]uint32, error) {
	first := dacapo.Version("conformance", 0, 1)
	time.Sleep(time.Millisecond)
	return []uint32{first, dacapo.Version("conformance", 0, 1)}, nil
}

func sideEffects(context.Context, dacapo.None) ([]any, error) {
	dice := dacapo.SideEffect("dice", func() int { return 7 })
	time.Sleep(time.Millisecond)
	pair := dacapo.SideEffect("pair", func() []any { return []any{1, "a"} })
	return []any{dice, pair}, nil
}

func memo(context.Context, dacapo.None) ([]any, error) {
	if err := dacapo.UpsertMemo(map[string]any{"step": map[string]string{"at": "packing"}}); err != nil {
		return nil, err
	}
	if err := dacapo.UpsertMemo(map[string]any{"gone": 1}); err != nil {
		return nil, err
	}
	time.Sleep(time.Millisecond)
	if err := dacapo.UpsertMemo(map[string]any{"gone": nil}); err != nil {
		return nil, err
	}
	all := dacapo.Memo()
	return []any{all["step"], all["gone"]}, nil
}

func searchAttributes(context.Context, dacapo.None) ([]string, error) {
	dacapo.UpsertSearchAttributes(map[string]any{
		"customer": "c-17",
		"labels":   []string{"a", "b"},
		"title":    dacapo.Text("a new life"),
		"big":      int64(9007199254740993),
		"share":    0.5,
		"paid":     true,
		"due":      time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
	})
	return slices.Sorted(maps.Keys(dacapo.SearchAttributes())), nil
}

func logs(ctx context.Context, _ dacapo.None) (dacapo.None, error) {
	fmt.Println("conformance before")
	time.Sleep(30 * time.Millisecond)
	fmt.Println("conformance after")
	return nil, noop(ctx)
}

func payloads(ctx context.Context, value any) (any, error) {
	return dacapo.Activity[any](ctx, "echo", value)
}

func nothing(ctx context.Context, _ dacapo.None) (dacapo.None, error) { return nil, noop(ctx) }

type told struct {
	WorkflowType string      `json:"workflow_type"`
	WorkflowID   string      `json:"workflow_id"`
	Attempt      uint32      `json:"attempt"`
	Activity     attemptTold `json:"activity"`
}

func about(ctx context.Context, _ dacapo.None) (told, error) {
	info := dacapo.Info()
	activity, err := dacapo.Activity[attemptTold](ctx, "attempt_info", dacapo.None(nil))
	return told{info.WorkflowType, info.WorkflowID, info.Attempt, activity}, err
}

func options(ctx context.Context, in struct {
	Queue string `json:"queue"`
}) (string, error) {
	return dacapo.Activity[string](ctx, "step", 1, dacapo.ActivityOptions{
		TaskQueue:       in.Queue,
		StartToClose:    5 * time.Second,
		ScheduleToClose: 60 * time.Second,
		ScheduleToStart: 50 * time.Second,
		Heartbeat:       4 * time.Second,
		Priority:        1,
		FairnessKey:     "tenant-7",
		FairnessWeight:  2.5,
		Retry: &dacapo.RetryPolicy{
			InitialInterval:    10 * time.Millisecond,
			BackoffCoefficient: 1.5,
			MaximumInterval:    time.Second,
			MaximumAttempts:    4,
			NonRetryableTypes:  []string{"A", "B"},
		},
	})
}
