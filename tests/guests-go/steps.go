package main

import (
	"context"
	crand "crypto/rand"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"time"

	"dacapo"
)

// 1 to 9: steps and time.
func init() {
	dacapo.RegisterWorkflow("sequential", sequential)
	dacapo.RegisterWorkflow("fan_out", fanOut)
	dacapo.RegisterWorkflow("race", race)
	dacapo.RegisterWorkflow("timer", timer)
	dacapo.RegisterWorkflow("native_sleep", nativeSleep)
	dacapo.RegisterWorkflow("native_timers", nativeTimers)
	dacapo.RegisterWorkflow("clock_and_random", clockAndRandom)
	dacapo.RegisterWorkflow("condition", condition)
	dacapo.RegisterWorkflow("deadline", deadline)
}

type steps struct {
	Steps int `json:"steps"`
}

func sequential(ctx context.Context, in steps) (int, error) {
	for range in.Steps {
		if err := noop(ctx); err != nil {
			return 0, err
		}
	}
	return in.Steps, nil
}

func fanOut(ctx context.Context, in steps) ([]int, error) {
	var numbers []int
	for number := range in.Steps {
		numbers = append(numbers, number)
	}
	return doubles(ctx, numbers)
}

func doubles(ctx context.Context, numbers []int) ([]int, error) {
	var started []*dacapo.Future[int]
	for _, number := range numbers {
		started = append(started, dacapo.StartActivity[int](ctx, "double", number))
	}
	doubles := []int{}
	for _, each := range started {
		double, err := each.Get(ctx)
		if err != nil {
			return nil, err
		}
		doubles = append(doubles, double)
	}
	return doubles, nil
}

func race(ctx context.Context, in millis) (string, error) {
	activity := dacapo.StartActivity[dacapo.None](ctx, "wait_cancel", dacapo.None(nil))
	select {
	case <-activity.Done():
		return "activity", nil
	case <-time.After(in.duration()):
		activity.Cancel()
		return "timer", nil
	}
}

func timer(ctx context.Context, in millis) (bool, error) {
	before := time.Now()
	err := dacapo.Sleep(ctx, in.duration())
	return time.Since(before) >= in.duration(), err
}

func nativeSleep(_ context.Context, in millis) (bool, error) {
	before := time.Now()
	time.Sleep(in.duration())
	return time.Since(before) >= in.duration(), nil
}

func nativeTimers(ctx context.Context, _ dacapo.None) ([]int, error) {
	fired := make(chan int)
	for _, length := range []int{300, 100, 200} {
		timer := dacapo.StartTimer(ctx, time.Duration(length)*time.Millisecond)
		go func() {
			<-timer.Done()
			fired <- length
		}()
	}
	return []int{<-fired, <-fired, <-fired}, nil
}

type drawn struct {
	Now    int64   `json:"now"`
	Random float64 `json:"random"`
	UUID   string  `json:"uuid"`
}

func draw() drawn {
	bytes := make([]byte, 16)
	crand.Read(bytes)
	return drawn{time.Now().UnixMilli(), rand.Float64(), hex.EncodeToString(bytes)}
}

type differs struct {
	Clock  bool `json:"clock"`
	Random bool `json:"random"`
	UUID   bool `json:"uuid"`
}

func clockAndRandom(ctx context.Context, _ dacapo.None) (differs, error) {
	first, err := dacapo.Activity[drawn](ctx, "echo", draw())
	if err != nil {
		return differs{}, err
	}
	time.Sleep(20 * time.Millisecond)
	second, err := dacapo.Activity[drawn](ctx, "echo", draw())
	return differs{second.Now >= first.Now+20, second.Random != first.Random, second.UUID != first.UUID}, err
}

func condition(ctx context.Context, _ dacapo.None) (int, error) {
	votes := 0
	go func() {
		for range dacapo.NewSignal[int]("vote").Chan(ctx) {
			votes++
		}
	}()
	err := dacapo.WaitUntil(ctx, func() bool { return votes >= 2 })
	return votes, err
}

func deadline(ctx context.Context, in millis) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, in.duration())
	defer cancel()
	_, err := dacapo.Activity[dacapo.None](ctx, "wait_cancel", dacapo.None(nil))
	if errors.Is(err, context.DeadlineExceeded) {
		return "elapsed", nil
	}
	return "", err
}
