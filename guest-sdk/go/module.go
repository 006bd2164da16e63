package dacapo

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"dacapo/internal/wit/exports/export_dacapo_workflow_activity"
	"dacapo/internal/wit/exports/export_dacapo_workflow_after_end"
	"dacapo/internal/wit/exports/export_dacapo_workflow_definitions"
	"dacapo/internal/wit/exports/export_dacapo_workflow_workflow"
	_ "dacapo/internal/wit/exports/wit_exports" // what the component exports
	"dacapo/internal/wit/imports/dacapo_workflow_definitions"
	"dacapo/internal/wit/imports/dacapo_workflow_workflow"
	memory "dacapo/internal/wit/runtime"
)

type function func(ctx context.Context, input []byte) ([]byte, error)

// registry has what was registered, in the order in which that was done.
type registry struct {
	names     []string
	functions map[string]function
}

var workflows, activities registry

// RegisterWorkflow defines a workflow. It is called in an init function, and panics if the name is taken.
func RegisterWorkflow[In, Out any](name string, workflow func(context.Context, In) (Out, error)) {
	workflows.add("workflow", name, reading("workflow", name, workflow))
}

// RegisterActivity defines an activity: a function that touches the world, and is tried again when it
// fails. It is called in an init function, and panics if the name is taken.
func RegisterActivity[In, Out any](name string, activity func(context.Context, In) (Out, error)) {
	activities.add("activity", name, reading("activity", name, activity))
}

func (r *registry) add(kind, name string, call function) {
	if r.functions == nil {
		r.functions = map[string]function{}
	}
	if r.functions[name] != nil {
		panic(fmt.Sprintf("there are two of %s `%s`; give one of them another name", kind, name))
	}
	r.names = append(r.names, name)
	r.functions[name] = call
}

func reading[In, Out any](kind, name string, call func(context.Context, In) (Out, error)) function {
	return func(ctx context.Context, text []byte) ([]byte, error) {
		input, err := decodeAs[In](text, "the input of "+kind+" `"+name+"`", "InvalidInput")
		if err != nil {
			return nil, err
		}
		output, err := call(ctx, input)
		if err != nil {
			return nil, err
		}
		return encodeResult(output, "the result of "+kind+" `"+name+"`")
	}
}

func init() {
	// Before anything is handed over: see package runtime in internal/wit.
	debug.SetGCPercent(-1)
	export_dacapo_workflow_definitions.Definitions = func() dacapo_workflow_definitions.ModuleDefinitions {
		return dacapo_workflow_definitions.ModuleDefinitions{Workflows: workflows.names, Activities: activities.names}
	}
	export_dacapo_workflow_workflow.Run = runWorkflow
	export_dacapo_workflow_activity.Execute = func(activityType string, input []uint8) answer {
		memory.Keep()
		debug.SetGCPercent(100)
		return answered(runActivity(strings.Clone(activityType), clone(input)))
	}
	export_dacapo_workflow_after_end.AnswerQuery = func(name string, input []uint8) answer {
		if theRun == nil {
			return answered(nil, &Failure{Type: "UnknownQuery", Message: "no workflow has run here"})
		}
		return theRun.answer(strings.Clone(name), clone(input))
	}
}

func runWorkflow(given string, payload []uint8) dacapo_workflow_workflow.Outcome {
	workflowType, input := strings.Clone(given), clone(payload)
	memory.Keep()
	call := workflows.functions[workflowType]
	if call == nil {
		message := "this module defines no workflow `" + workflowType + "`"
		err := &Failure{Type: "UnknownWorkflowType", Message: message, NonRetryable: true}
		return dacapo_workflow_workflow.MakeOutcomeFailed(failureToWit(err))
	}
	theRun = &run{
		open:    map[uint32]*operation{},
		inboxes: map[string]*inbox{},
		queries: map[string]queryHandler{},
		updates: map[string]updateHandler{},
	}
	result, err := theRun.execute(func(ctx context.Context) ([]byte, error) { return call(ctx, input) })
	return theRun.outcome(workflowType, result, err)
}

func (r *run) outcome(workflowType string, result []byte, err error) dacapo_workflow_workflow.Outcome {
	var next *continuation
	if errors.As(err, &next) {
		outcome, problem := next.outcome(workflowType)
		if problem == nil {
			r.returnSignals()
			return outcome
		}
		err = problem
	}
	if err == nil {
		return dacapo_workflow_workflow.MakeOutcomeCompleted(result)
	}
	reason := cancellationOf(err)
	if reason != nil && (r.reason != nil || Chain(err)[0].Kind == KindCancelled) {
		return dacapo_workflow_workflow.MakeOutcomeCancelled(reason.Message)
	}
	return dacapo_workflow_workflow.MakeOutcomeFailed(failureToWit(err))
}

func runActivity(activityType string, input []byte) (result []byte, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = failureOfPanic(fault)
		}
	}()
	call := activities.functions[activityType]
	if call == nil {
		message := "this module defines no activity `" + activityType + "`"
		return nil, &Failure{Type: "UnknownActivityType", Message: message, NonRetryable: true}
	}
	return call(context.Background(), input)
}

// failureOfPanic says where it was. It is called while the panic goes up the stack.
func failureOfPanic(fault any) error {
	if failure, ok := fault.(*Failure); ok {
		return failure
	}
	message := fmt.Sprint(fault)
	var counters [32]uintptr
	frames := runtime.CallersFrames(counters[:runtime.Callers(3, counters[:])])
	for {
		frame, more := frames.Next()
		if isOurs(frame.Function) {
			if !more {
				break
			}
			continue
		}
		message += fmt.Sprintf("\n    at %s:%d %s", frame.File, frame.Line, frame.Function)
		if !more {
			break
		}
	}
	return &Failure{Type: "Panic", Message: message}
}
