package dacapo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"dacapo/internal/wit/imports/dacapo_workflow_queries"
	wit "dacapo/internal/wit/imports/dacapo_workflow_types"
	"dacapo/internal/wit/imports/dacapo_workflow_updates"
	"dacapo/internal/wit/types"
)

type answer = types.Result[[]uint8, wit.Failure]

func answered(value []byte, err error) answer {
	if err != nil {
		return types.Err[[]uint8](failureToWit(err))
	}
	return types.Ok[[]uint8, wit.Failure](value)
}

type queryHandler func(input []byte) ([]byte, error)

// HandleQuery answers queries of this name, also after the end of the run. The handler looks at what
// the workflow knows. It changes nothing, starts nothing, and does not wait.
func HandleQuery[In, Out any](name string, handle func(In) (Out, error)) {
	requireRun().queries[name] = func(text []byte) ([]byte, error) {
		input, err := decodeAs[In](text, "the input of query `"+name+"`", "InvalidInput")
		if err != nil {
			return nil, err
		}
		output, err := handle(input)
		if err != nil {
			return nil, err
		}
		return encodeResult(output, "the answer to query `"+name+"`")
	}
}

func encodeResult(value any, what string) ([]byte, error) {
	text, err := encode(value)
	if err != nil {
		return nil, unfit(what, "InvalidResult", err)
	}
	return text, nil
}

func (r *run) gotQuery(id, name string, input []byte) {
	dacapo_workflow_queries.RespondQuery(id, r.answer(name, input))
}

func (r *run) answer(name string, input []byte) (given answer) {
	defer func() {
		if fault := recover(); fault != nil {
			given = answered(nil, failureOfPanic(fault))
		}
	}()
	if name == waitsQuery {
		return answered(encode(r.report()))
	}
	handle := r.queries[name]
	if handle == nil {
		return answered(nil, unknown("UnknownQuery", "answers no query", name, r.queries))
	}
	return answered(handle(input))
}

func unknown[H any](failureType, what, name string, handlers map[string]H) error {
	known := "none"
	if len(handlers) > 0 {
		known = "`" + strings.Join(sortedKeys(handlers), "`, `") + "`"
	}
	message := fmt.Sprintf("the workflow %s `%s`; it knows %s", what, name, known)
	return &Failure{Type: failureType, Message: message, NonRetryable: true}
}

func sortedKeys[V any](of map[string]V) []string { return slices.Sorted(maps.Keys(of)) }

// Publish shows a value to those who query this name, from now on and also after the end of the run.
// It panics if the value can't be written as JSON.
func Publish(name string, value any) {
	requireRun()
	text, err := encode(value)
	if err != nil {
		panic(unfit("the published value `"+name+"`", "InvalidResult", err))
	}
	dacapo_workflow_queries.Publish(name, text)
}

// updateHandler checks an update, and returns what does it.
type updateHandler func(input []byte) (func(context.Context) ([]byte, error), error)

// HandleUpdate does what callers ask for under this name. An error of validate, which may be nil,
// rejects the update: validate changes nothing and does not wait. What handle returns is the answer. It
// runs in a goroutine of its own, and may wait.
func HandleUpdate[In, Out any](name string, validate func(In) error, handle func(context.Context, In) (Out, error)) {
	requireRun().updates[name] = func(text []byte) (func(context.Context) ([]byte, error), error) {
		input, err := decodeAs[In](text, "the input of update `"+name+"`", "InvalidInput")
		if err != nil {
			return nil, err
		}
		if validate != nil {
			if err := validate(input); err != nil {
				return nil, err
			}
		}
		return func(ctx context.Context) ([]byte, error) {
			output, err := handle(ctx, input)
			if err != nil {
				return nil, err
			}
			return encodeResult(output, "the answer to update `"+name+"`")
		}, nil
	}
}

func (r *run) gotUpdate(id, name string, input []byte) {
	check := r.updates[name]
	if check == nil {
		err := unknown("UnknownUpdate", "takes no update", name, r.updates)
		dacapo_workflow_updates.RejectUpdate(id, failureToWit(err))
		return
	}
	handle, err := check(input)
	if err != nil {
		dacapo_workflow_updates.RejectUpdate(id, failureToWit(err))
		return
	}
	dacapo_workflow_updates.AcceptUpdate(id)
	r.unanswered++
	go func() {
		given := answered(handle(r.context))
		r.unanswered--
		dacapo_workflow_updates.CompleteUpdate(id, given)
	}()
}

// UpdatesFinished waits until all updates that were accepted have been answered. Those that are not
// when the workflow returns are dropped, and their callers told that the run has closed.
func UpdatesFinished(ctx context.Context) error {
	r := requireRun()
	return waitUntil(ctx, "updates", func() bool { return r.unanswered == 0 })
}
