package main

import (
	"context"
	"time"

	"dacapo"
)

// 54: programs that are data.
func init() {
	dacapo.RegisterWorkflow("program", runProgram)
}

type program struct {
	Steps []step `json:"steps"`
}

type step struct {
	Activity *int     `json:"activity,omitempty"`
	FanOut   *[]int   `json:"fan_out,omitempty"`
	Timer    *int64   `json:"timer,omitempty"`
	Race     *int64   `json:"race,omitempty"`
	Child    *program `json:"child,omitempty"`
	Signal   *string  `json:"signal,omitempty"`
}

func runProgram(ctx context.Context, in program) ([]any, error) {
	results := []any{}
	for _, each := range in.Steps {
		result, err := each.run(ctx)
		if err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	return results, nil
}

func (s step) run(ctx context.Context) (any, error) {
	switch {
	case s.Activity != nil:
		return dacapo.Activity[int](ctx, "double", *s.Activity)
	case s.FanOut != nil:
		return doubles(ctx, *s.FanOut)
	case s.Timer != nil:
		time.Sleep(time.Duration(*s.Timer) * time.Millisecond)
		return nil, nil
	case s.Race != nil:
		return race(ctx, millis{*s.Race})
	case s.Child != nil:
		return dacapo.Child[any](ctx, "program", *s.Child)
	default:
		return dacapo.NewSignal[any](*s.Signal).Next(ctx)
	}
}
