package dacapo

import (
	"context"
	"time"

	"dacapo/internal/wit/imports/dacapo_workflow_module_activities"
	ops "dacapo/internal/wit/imports/dacapo_workflow_operations"
	"dacapo/internal/wit/imports/dacapo_workflow_task_queues"
)

// Future is the outcome of something that was started.
type Future[T any] struct {
	op   *operation
	kind string
	read func([]byte) (T, error)
}

// Done is closed once there is an outcome, for select.
func (f *Future[T]) Done() <-chan struct{} { return f.op.done }

// Get waits for the outcome. If the context is cancelled before, the operation is, too, as its options
// say.
func (f *Future[T]) Get(ctx context.Context) (T, error) {
	result, err := f.op.await(ctx, f.kind)
	if err != nil {
		var none T
		return none, err
	}
	return f.read(result)
}

// Cancel cancels the operation, as its options say.
func (f *Future[T]) Cancel() { f.op.cancelFor(Cancelled("the operation was cancelled")) }

// Activity runs an activity, and waits for its result.
func Activity[Out any](ctx context.Context, activityType string, input any, options ...ActivityOptions) (Out, error) {
	return StartActivity[Out](ctx, activityType, input, options...).Get(ctx)
}

// StartActivity starts an activity. If the context is cancelled already it does not, and the future
// says so.
func StartActivity[Out any](ctx context.Context, activityType string, input any, options ...ActivityOptions) *Future[Out] {
	read := func(result []byte) (Out, error) {
		return decodeAs[Out](result, "the result of activity `"+activityType+"`", "InvalidResult")
	}
	op := startActivity(ctx, activityType, input, options)
	return &Future[Out]{op, "operation", read}
}

func startActivity(ctx context.Context, activityType string, input any, given []ActivityOptions) *operation {
	r := requireRun()
	if ctx.Err() != nil {
		return failed(cancelled(ctx))
	}
	payload, err := encodeInput(input)
	if err != nil {
		return failed(unfit("the input of activity `"+activityType+"`", "InvalidInput", err))
	}
	var options ActivityOptions
	if len(given) > 0 {
		options = given[0]
	}
	if problem := options.Retry.problem(); problem != "" {
		return failed(&Failure{Type: "InvalidInput", Message: "activity `" + activityType + "`: " + problem, NonRetryable: true})
	}
	var id uint32
	placement, isPlaced := options.placement()
	switch {
	case options.Module != "":
		module := moduleRef(options.Module, options.ModuleVersion)
		id = dacapo_workflow_module_activities.StartActivity(activityType, payload, options.toWit(), module)
	case isPlaced:
		id = dacapo_workflow_task_queues.StartActivity(activityType, payload, options.toWit(), placement)
	default:
		id = ops.StartActivity(activityType, payload, options.toWit())
	}
	grace := optionalDuration(options.CancellationGrace)
	switch options.Cancellation {
	case WaitCancelled, WaitRequested:
		return r.opened(id, ask, func() { requestCancel(id, grace) })
	case Abandon:
		return r.opened(id, leave, nil)
	default:
		return r.opened(id, giveUp, nil)
	}
}

// StartTimer starts a timer. time.Sleep and all that is in package time are durable as well; this one
// can be cancelled with its context.
func StartTimer(ctx context.Context, after time.Duration) *Future[None] {
	read := func([]byte) (None, error) { return nil, nil }
	r := requireRun()
	if ctx.Err() != nil {
		return &Future[None]{failed(cancelled(ctx)), "operation", read}
	}
	id := ops.StartTimer(uint64(max(after, 0)))
	return &Future[None]{r.opened(id, giveUp, nil), "operation", read}
}

// Sleep waits for so long, or until the context is cancelled.
func Sleep(ctx context.Context, length time.Duration) error {
	_, err := StartTimer(ctx, length).Get(ctx)
	return err
}
