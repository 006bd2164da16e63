package dacapo

import (
	"context"
	"time"

	"dacapo/internal/wit/imports/dacapo_workflow_children"
	"dacapo/internal/wit/imports/dacapo_workflow_external"
	ops "dacapo/internal/wit/imports/dacapo_workflow_operations"
	"dacapo/internal/wit/types"
)

// ParentClosePolicy says what becomes of a child when its parent closes.
type ParentClosePolicy uint8

// What becomes of it.
const (
	CloseTerminate ParentClosePolicy = iota
	CloseAbandon
	CloseRequestCancel
)

// IDReusePolicy says what to do if the latest run of the child's workflow id is closed.
type IDReusePolicy uint8

// What to do.
const (
	AllowDuplicate IDReusePolicy = iota
	AllowDuplicateFailedOnly
	RejectDuplicate
)

// ChildOptions say how a child is run. What is zero is as the server has it.
type ChildOptions struct {
	// WorkflowID follows from the parent's run by default.
	WorkflowID        string
	IDReusePolicy     IDReusePolicy
	ParentClosePolicy ParentClosePolicy
	Cancellation      Cancellation
	// Module is another module that defines it, and ModuleVersion a certain version of that.
	Module        string
	ModuleVersion uint32
	// RunTimeout limits each run of it, ExecutionTimeout those that follow each other.
	RunTimeout       time.Duration
	ExecutionTimeout time.Duration
	// StartDelay is how long it waits before its code runs.
	StartDelay       time.Duration
	Retry            *RetryPolicy
	Memo             map[string]any
	SearchAttributes map[string]any
}

// Child runs a workflow as a child, and waits for its result.
func Child[Out any](ctx context.Context, workflowType string, input any, options ...ChildOptions) (Out, error) {
	begun, err := beginChild(ctx, workflowType, input, options)
	if err != nil {
		var none Out
		return none, err
	}
	return endOfChild[Out](workflowType, begun).Get(ctx)
}

// ChildHandle is a child that has started. What becomes of it without a wait is up to its parent close
// policy.
type ChildHandle[Out any] struct {
	WorkflowID string
	// RunID is its first run.
	RunID string
	*Future[Out]
}

// StartChild starts a child, and waits until it has started.
func StartChild[Out any](ctx context.Context, workflowType string, input any, options ...ChildOptions) (*ChildHandle[Out], error) {
	begun, err := beginChild(ctx, workflowType, input, options)
	if err != nil {
		return nil, err
	}
	result, err := begun.started.await(ctx, "operation")
	if err != nil {
		return nil, err
	}
	started, err := decodeAs[struct {
		WorkflowID string `json:"workflow_id"`
		RunID      string `json:"run_id"`
	}](result, "the start of workflow `"+workflowType+"`", "InvalidResult")
	if err != nil {
		return nil, err
	}
	end := endOfChild[Out](workflowType, begun)
	return &ChildHandle[Out]{started.WorkflowID, started.RunID, end}, nil
}

// Signal sends it a signal. If it has continued as new, its open run gets it.
func (c *ChildHandle[Out]) Signal(ctx context.Context, name string, input any) error {
	return SignalExternal(ctx, c.WorkflowID, "", name, input)
}

type begunChild struct{ started, closed *operation }

func beginChild(ctx context.Context, workflowType string, input any, given []ChildOptions) (*begunChild, error) {
	r := requireRun()
	if ctx.Err() != nil {
		return nil, cancelled(ctx)
	}
	payload, err := encodeInput(input)
	if err != nil {
		return nil, unfit("the input of workflow `"+workflowType+"`", "InvalidInput", err)
	}
	var options ChildOptions
	if len(given) > 0 {
		options = given[0]
	}
	if problem := options.Retry.problem(); problem != "" {
		return nil, &Failure{Type: "InvalidInput", Message: "workflow `" + workflowType + "`: " + problem, NonRetryable: true}
	}
	chosen, err := options.toWit()
	if err != nil {
		return nil, err
	}
	child := dacapo_workflow_children.StartChild(workflowType, payload, chosen)
	how, closed := ask, child.Closed
	if options.Cancellation == TryCancel || options.Cancellation == Abandon {
		how = giveUp
	}
	return &begunChild{
		started: r.opened(child.Started, leave, nil),
		closed:  r.opened(closed, how, func() { ops.Cancel(closed) }),
	}, nil
}

func endOfChild[Out any](workflowType string, begun *begunChild) *Future[Out] {
	read := func(result []byte) (Out, error) {
		return decodeAs[Out](result, "the result of workflow `"+workflowType+"`", "InvalidResult")
	}
	return &Future[Out]{begun.closed, "operation", read}
}

func (o *ChildOptions) toWit() (dacapo_workflow_children.ChildOptions, error) {
	memo, err := memoToWit(o.Memo)
	if err != nil {
		return dacapo_workflow_children.ChildOptions{}, err
	}
	options := dacapo_workflow_children.ChildOptions{
		WorkflowId:        optionalText(o.WorkflowID),
		IdReusePolicy:     uint8(o.IDReusePolicy),
		ParentClosePolicy: uint8(o.ParentClosePolicy),
		CancellationType:  dacapo_workflow_children.ChildCancellationType_WaitCancellationCompleted,
		RunTimeout:        optionalDuration(o.RunTimeout),
		ExecutionTimeout:  optionalDuration(o.ExecutionTimeout),
		StartDelay:        uint64(max(o.StartDelay, 0)),
		Memo:              memo,
		SearchAttributes:  searchToWit(o.SearchAttributes),
	}
	switch o.Cancellation {
	case TryCancel:
		options.CancellationType = dacapo_workflow_children.ChildCancellationType_TryCancel
	case Abandon:
		options.CancellationType = dacapo_workflow_children.ChildCancellationType_Abandon
	case WaitRequested:
		options.CancellationType = dacapo_workflow_children.ChildCancellationType_WaitCancellationRequested
	}
	if o.Module != "" {
		options.Module = types.Some(moduleRef(o.Module, o.ModuleVersion))
	}
	if o.Retry != nil {
		options.Retry = types.Some(o.Retry.toWit())
	}
	return options, nil
}

// SignalExternal sends the open run of a workflow id, or one certain run, a signal, and waits until it
// has recorded it. It fails as RunNotFound, RunClosed or TooManySignals.
func SignalExternal(ctx context.Context, workflowID, runID, name string, input any) error {
	r := requireRun()
	if ctx.Err() != nil {
		return cancelled(ctx)
	}
	payload, err := encodeInput(input)
	if err != nil {
		return unfit("the input of signal `"+name+"`", "InvalidInput", err)
	}
	id := dacapo_workflow_external.SignalExternal(workflowID, optionalText(runID), name, payload)
	_, err = r.opened(id, leave, nil).await(ctx, "operation")
	return err
}

// CancelExternal asks the open run of a workflow id, or one certain run, to cancel, and waits until it
// has recorded that.
func CancelExternal(ctx context.Context, workflowID, runID, reason string) error {
	r := requireRun()
	if ctx.Err() != nil {
		return cancelled(ctx)
	}
	id := dacapo_workflow_external.CancelExternal(workflowID, optionalText(runID), reason)
	_, err := r.opened(id, leave, nil).await(ctx, "operation")
	return err
}
