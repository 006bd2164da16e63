package dacapo

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"

	"dacapo/internal/wit/imports/dacapo_workflow_activities"
	ops "dacapo/internal/wit/imports/dacapo_workflow_operations"
	memory "dacapo/internal/wit/runtime"
	"dacapo/internal/wit/types"
)

// theRun is the one run that this instance executes; nil in an activity.
var theRun *run

type run struct {
	open       map[uint32]*operation
	inboxes    map[string]*inbox
	signals    uint32
	conditions []*condition
	queries    map[string]queryHandler
	updates    map[string]updateHandler
	unanswered int
	// Waits of the code, in the order in which they began.
	waits   []*wait
	context context.Context
	cancel  context.CancelCauseFunc
	reason  *Failure
	// Bytes that were in use after the last collection.
	live uint64
}

func requireRun() *run {
	if theRun == nil {
		panic("activities, timers, signals and queries exist in workflows only; an activity calls others as functions")
	}
	return theRun
}

// operation is something that was started and may be waited for.
type operation struct {
	id        uint32
	done      chan struct{}
	isOver    bool
	wasAsked  bool
	result    []byte
	failure   error
	onCancel  onCancel
	onRequest func()
}

// onCancel is what becomes of an operation when whoever waits for it is cancelled.
type onCancel uint8

const (
	giveUp onCancel = iota
	// It is told, and its end is waited for.
	ask
	// It goes on.
	leave
)

func (r *run) opened(id uint32, how onCancel, request func()) *operation {
	op := &operation{id: id, done: make(chan struct{}), onCancel: how, onRequest: request}
	r.open[id] = op
	return op
}

// failed is an operation that was never started.
func failed(err error) *operation {
	op := &operation{done: make(chan struct{})}
	op.end(nil, err)
	return op
}

func (op *operation) end(result []byte, failure error) {
	if op.isOver {
		return
	}
	op.isOver, op.result, op.failure = true, result, failure
	close(op.done)
	if theRun != nil {
		delete(theRun.open, op.id)
	}
}

// cancelFor cancels it in its own way.
func (op *operation) cancelFor(reason *Failure) {
	if op.isOver {
		return
	}
	if op.onCancel == ask {
		if !op.wasAsked {
			op.wasAsked = true
			op.onRequest()
		}
		return
	}
	if op.onCancel == giveUp {
		ops.Cancel(op.id)
	}
	op.end(nil, reason)
}

func requestCancel(id uint32, grace types.Option[uint64]) {
	dacapo_workflow_activities.RequestCancel(id, grace)
}

// await waits for its end, or until the context is cancelled.
func (op *operation) await(ctx context.Context, kind string) ([]byte, error) {
	if !op.isOver {
		defer theRun.waitsFor(&wait{kind: kind, operation: op.id, at: caller()})()
		select {
		case <-op.done:
		case <-ctx.Done():
			op.cancelFor(cancelled(ctx))
			<-op.done
		}
	}
	return op.result, op.failure
}

// execute runs a workflow to its end.
func (r *run) execute(start func(context.Context) ([]byte, error)) (result []byte, err error) {
	debug.SetGCPercent(-1)
	r.context, r.cancel = context.WithCancelCause(context.Background())
	ended := make(chan struct{})
	go func() {
		result, err = start(r.context)
		close(ended)
	}()
	arrived, again := arrivals()
	for {
		r.lookAtConditions()
		select {
		case <-ended:
			settle()
			return result, err
		case <-arrived:
		}
		for {
			memory.Reset()
			delivery := ops.TryNext()
			if !delivery.IsSome() {
				break
			}
			r.deliver(delivery.Some())
			r.lookAtConditions()
		}
		r.collect()
		again <- struct{}{}
	}
}

func (r *run) deliver(delivery ops.Delivery) {
	switch delivery.Tag() {
	case ops.Delivery_Completed:
		r.complete(delivery.Completed())
	case ops.Delivery_Signal:
		signal := delivery.Signal()
		r.gotSignal(strings.Clone(signal.Name), clone(signal.Input))
	case ops.Delivery_Query:
		query := delivery.Query()
		r.gotQuery(strings.Clone(query.Id), strings.Clone(query.Name), clone(query.Input))
	case ops.Delivery_Update:
		update := delivery.Update()
		r.gotUpdate(strings.Clone(update.Id), strings.Clone(update.Name), clone(update.Input))
	case ops.Delivery_CancelRequested:
		r.reason = Cancelled(strings.Clone(delivery.CancelRequested()))
		r.cancel(r.reason)
	}
}

func (r *run) complete(completion ops.Completion) {
	op := r.open[completion.Operation]
	if op == nil {
		return
	}
	if completion.Outcome.IsErr() {
		op.end(nil, failureFromWit(completion.Outcome.Err()))
	} else {
		op.end(clone(completion.Outcome.Ok()), nil)
	}
}

// condition is a state of the workflow that somebody waits for.
type condition struct {
	holds func() bool
	done  chan struct{}
}

// lookAtConditions lets everything go on that can, and then ends the waits for what holds.
func (r *run) lookAtConditions() {
	for found := true; found && len(r.conditions) > 0; {
		settle()
		found = false
		for _, each := range append([]*condition(nil), r.conditions...) {
			if each.holds() {
				r.forget(each)
				close(each.done)
				found = true
			}
		}
	}
}

func (r *run) forget(gone *condition) {
	for index, each := range r.conditions {
		if each == gone {
			r.conditions = append(r.conditions[:index:index], r.conditions[index+1:]...)
			return
		}
	}
}

// WaitUntil waits until the function returns true. It is asked now, and again whenever something has
// happened to the run and nothing else can go on. It changes nothing.
func WaitUntil(ctx context.Context, holds func() bool) error {
	return waitUntil(ctx, "condition", holds)
}

func waitUntil(ctx context.Context, kind string, holds func() bool) error {
	r := requireRun()
	if holds() {
		return nil
	}
	if ctx.Err() != nil {
		return cancelled(ctx)
	}
	waited := &condition{holds: holds, done: make(chan struct{})}
	r.conditions = append(r.conditions, waited)
	defer r.waitsFor(&wait{kind: kind, at: caller()})()
	select {
	case <-waited.done:
		return nil
	case <-ctx.Done():
		r.forget(waited)
		return cancelled(ctx)
	}
}

// settle lets all other goroutines run until they wait. There is one thread and no preemption, and one
// that gives way comes after all that can run, but for a turn now and then.
func settle() {
	for range 100 {
		runtime.Gosched()
	}
}

// collect collects garbage if there may be much of it. The Go runtime does not do so by itself: it
// would set timers, which are recorded, and look at the clock where that is not allowed.
func (r *run) collect() {
	const least = 8 << 20
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if used := sample[0].Value.Uint64(); used > least && used > 2*r.live {
		runtime.GC()
		metrics.Read(sample)
		r.live = sample[0].Value.Uint64()
	}
}

// caller is the place of the innermost call that is not of the SDK, as file:line.
func caller() string {
	var counters [16]uintptr
	frames := runtime.CallersFrames(counters[:runtime.Callers(2, counters[:])])
	for {
		frame, more := frames.Next()
		if !isOurs(frame.Function) {
			return frame.File + ":" + strconv.Itoa(frame.Line)
		}
		if !more {
			return "unknown"
		}
	}
}

func isOurs(function string) bool {
	return strings.HasPrefix(function, "dacapo.") || strings.HasPrefix(function, "runtime.")
}
