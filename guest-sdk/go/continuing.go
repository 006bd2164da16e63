package dacapo

import (
	"time"

	"dacapo/internal/wit/imports/dacapo_workflow_workflow"
)

// ContinueOptions say what is different in the run that follows.
type ContinueOptions struct {
	// WorkflowType is another workflow of this module.
	WorkflowType string
	// RunTimeout is as long as that of this run by default.
	RunTimeout time.Duration
	// StartDelay is how long it waits before its code runs.
	StartDelay       time.Duration
	Memo             map[string]any
	SearchAttributes map[string]any
}

type continuation struct {
	input   any
	options ContinueOptions
}

func (*continuation) Error() string { return "the run is to continue as new" }

// ContinueAsNew is the error that a workflow returns to end this run, which goes on as a new one with
// this input and an empty history. Signals that nobody has taken go over to it.
func ContinueAsNew(input any, options ...ContinueOptions) error {
	if len(options) > 0 {
		return &continuation{input, options[0]}
	}
	return &continuation{input: input}
}

func (c *continuation) outcome(ownType string) (dacapo_workflow_workflow.Outcome, error) {
	input, err := encodeInput(c.input)
	if err != nil {
		return dacapo_workflow_workflow.Outcome{}, unfit("the input of the run to continue as", "InvalidInput", err)
	}
	memo, err := memoToWit(c.options.Memo)
	if err != nil {
		return dacapo_workflow_workflow.Outcome{}, err
	}
	workflowType := c.options.WorkflowType
	if workflowType == "" {
		workflowType = ownType
	}
	return dacapo_workflow_workflow.MakeOutcomeContinueAsNew(dacapo_workflow_workflow.Continuation{
		WorkflowType:         workflowType,
		Input:                input,
		RunTimeout:           optionalDuration(c.options.RunTimeout),
		BackoffStartInterval: uint64(max(c.options.StartDelay, 0)),
		Memo:                 memo,
		SearchAttributes:     searchToWit(c.options.SearchAttributes),
	}), nil
}
