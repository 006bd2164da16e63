package main

import (
	"context"
	"time"

	"dacapo"
)

// 10 to 18: messages.
func init() {
	dacapo.RegisterWorkflow("signal", signal)
	dacapo.RegisterWorkflow("buffered_signals", bufferedSignals)
	dacapo.RegisterWorkflow("stages", stages)
	dacapo.RegisterWorkflow("cart", cart)
	dacapo.RegisterWorkflow("publishes", publishes)
}

var (
	goSignal = dacapo.NewSignal[any]("go")
	word     = dacapo.NewSignal[int]("word")
	begin    = dacapo.NewSignal[any]("begin")
)

func signal(ctx context.Context, _ dacapo.None) (any, error) { return goSignal.Next(ctx) }

type howMany struct {
	Count int `json:"count"`
}

func bufferedSignals(ctx context.Context, in howMany) ([]int, error) {
	if _, err := begin.Next(ctx); err != nil {
		return nil, err
	}
	// A channel and Next share what is there.
	words := []int{<-word.Chan(ctx)}
	for len(words) < in.Count {
		next, err := word.Next(ctx)
		if err != nil {
			return nil, err
		}
		words = append(words, next)
	}
	return words, nil
}

func stages(ctx context.Context, _ dacapo.None) (dacapo.None, error) {
	stage := "waiting"
	dacapo.HandleQuery("stage", func(dacapo.None) (string, error) { return stage, nil })
	dacapo.HandleQuery("times", func(number int) (int, error) { return 2 * number, nil })
	dacapo.HandleQuery("act", func(dacapo.None) (dacapo.None, error) {
		dacapo.StartTimer(ctx, time.Millisecond)
		return nil, nil
	})
	dacapo.HandleQuery("crash", func(dacapo.None) (dacapo.None, error) { panic("a bug in the query") })
	_, err := goSignal.Next(ctx)
	stage = "done"
	return nil, err
}

func cart(ctx context.Context, _ dacapo.None) ([]string, error) {
	items, isClosed := []string{}, false
	add := func(item string) int {
		items = append(items, item)
		return len(items)
	}
	validate := func(item string) error {
		if item == "" {
			return &dacapo.Failure{Type: "NoItem", Message: "an item has a name"}
		}
		return nil
	}
	dacapo.HandleUpdate("add", validate, func(_ context.Context, item string) (int, error) {
		return add(item), nil
	})
	dacapo.HandleUpdate("add_slowly", nil, func(ctx context.Context, item string) (int, error) {
		if err := noop(ctx); err != nil {
			return 0, err
		}
		return add(item), nil
	})
	dacapo.HandleUpdate("check_out", nil, func(context.Context, dacapo.None) (dacapo.None, error) {
		isClosed = true
		return nil, nil
	})
	if err := dacapo.WaitUntil(ctx, func() bool { return isClosed }); err != nil {
		return nil, err
	}
	return items, dacapo.UpdatesFinished(ctx)
}

func publishes(ctx context.Context, _ dacapo.None) (dacapo.None, error) {
	dacapo.Publish("status", "packing")
	_, err := goSignal.Next(ctx)
	dacapo.Publish("status", "shipped")
	return nil, err
}
