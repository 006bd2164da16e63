package dacapo

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	wit "dacapo/internal/wit/imports/dacapo_workflow_types"
	"dacapo/internal/wit/types"
)

// causesMax causes of a failure are kept.
const causesMax = 16

// FailureKind says in the broadest terms what went wrong.
type FailureKind uint8

// The kinds of failures.
const (
	KindApplication FailureKind = iota
	KindCancelled
	KindTimeout
	KindTerminated
	KindActivity
	KindChild
	KindNondeterminism
)

// Failure is a failure with a type, as the runtime records and shows it. What an activity or a child
// fails with arrives as the cause of a failure of its own kind.
type Failure struct {
	Kind FailureKind
	// Type is a stable name for programs, such as CardDeclined. Retry policies match it exactly.
	Type string
	// Message is a sentence for people.
	Message string
	// NonRetryable is true if trying again can't help; no retry policy overrides it.
	NonRetryable bool
	// RetryAfter is how long to wait before the next attempt, instead of what the retry policy says.
	RetryAfter time.Duration
	// Details are data for the program that handles the failure: anything that JSON can hold. Those
	// of a failure that was received are a json.RawMessage.
	Details any
	// Cause is what led to it.
	Cause error
	// What context.Canceled or context.DeadlineExceeded it comes from.
	context error
}

// Cancelled makes a failure that says the work was cancelled. A workflow that returns it ends as
// cancelled.
func Cancelled(message string) *Failure {
	return &Failure{Kind: KindCancelled, Type: "Cancelled", Message: message}
}

func (f *Failure) Error() string {
	if f.Cause == nil {
		return f.Type + ": " + f.Message
	}
	return f.Type + ": " + f.Message + "; caused by " + f.Cause.Error()
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// Is lets errors.Is tell context.Canceled and context.DeadlineExceeded.
func (f *Failure) Is(target error) bool { return f.context != nil && target == f.context }

// DecodeDetails reads the details.
func (f *Failure) DecodeDetails(into any) error {
	raw, err := encode(f.Details)
	if err != nil {
		return err
	}
	return decode(raw, into)
}

// Chain returns the failures of an error, the outermost first, each without its causes. What is no
// Failure has the type Error.
func Chain(err error) []*Failure {
	var chain []*Failure
	for err != nil && len(chain) <= causesMax {
		link := linkOf(err)
		next := errors.Unwrap(err)
		copied := *link
		copied.Cause = nil
		chain = append(chain, &copied)
		err = next
	}
	return chain
}

func linkOf(err error) *Failure {
	if failure, ok := err.(*Failure); ok {
		return failure
	}
	if err == context.Canceled {
		return &Failure{Kind: KindCancelled, Type: "Cancelled", Message: err.Error(), context: err}
	}
	message := err.Error()
	if cause := errors.Unwrap(err); cause != nil {
		message = strings.TrimSuffix(strings.TrimSuffix(message, cause.Error()), ": ")
	}
	return &Failure{Type: "Error", Message: message}
}

// HasType says whether the failure or one of its causes has this type.
func HasType(err error, failureType string) bool {
	for _, link := range Chain(err) {
		if link.Type == failureType {
			return true
		}
	}
	return false
}

// IsCancelled says whether the error is the consequence of a cancellation.
func IsCancelled(err error) bool { return cancellationOf(err) != nil }

func cancellationOf(err error) *Failure {
	for _, link := range Chain(err) {
		if link.Kind == KindActivity || link.Kind == KindChild || link.Type == "Error" {
			continue
		}
		if link.Kind == KindCancelled {
			return link
		}
		return nil
	}
	return nil
}

// cancelled is the failure of what a context has ended.
func cancelled(ctx context.Context) *Failure {
	cause := context.Cause(ctx)
	var failure *Failure
	if errors.As(cause, &failure) {
		copied := *failure
		copied.context = ctx.Err()
		return &copied
	}
	failure = Cancelled(cause.Error())
	failure.context = ctx.Err()
	return failure
}

func failureFromWit(from wit.Failure) *Failure {
	var cause *Failure
	for index := len(from.Causes) - 1; index >= 0; index-- {
		cause = infoFromWit(from.Causes[index], cause)
	}
	return infoFromWit(from.Info, cause)
}

func infoFromWit(info wit.FailureInfo, cause *Failure) *Failure {
	failure := &Failure{
		Kind:         FailureKind(info.Kind),
		Type:         strings.Clone(info.TypeName),
		Message:      strings.Clone(info.Message),
		NonRetryable: info.NonRetryable,
	}
	if info.NextRetryDelay.IsSome() {
		failure.RetryAfter = time.Duration(info.NextRetryDelay.Some())
	}
	if info.Details.IsSome() {
		failure.Details = json.RawMessage(clone(info.Details.Some()))
	}
	if cause != nil {
		failure.Cause = cause
	}
	return failure
}

func failureToWit(err error) wit.Failure {
	chain := Chain(err)
	if len(chain) == 0 {
		chain = []*Failure{{Type: "Error", Message: "it failed and did not say why"}}
	}
	failure := wit.Failure{Info: infoToWit(chain[0])}
	for _, cause := range chain[1:] {
		failure.Causes = append(failure.Causes, infoToWit(cause))
	}
	return failure
}

func infoToWit(failure *Failure) wit.FailureInfo {
	info := wit.FailureInfo{
		Kind:           uint8(failure.Kind),
		TypeName:       failure.Type,
		Message:        failure.Message,
		NonRetryable:   failure.NonRetryable,
		NextRetryDelay: optionalDuration(failure.RetryAfter),
	}
	if failure.Details != nil {
		if details, err := encode(failure.Details); err == nil {
			info.Details = types.Some(details)
		}
	}
	return info
}

func optionalDuration(length time.Duration) types.Option[uint64] {
	if length <= 0 {
		return types.None[uint64]()
	}
	return types.Some(uint64(length))
}

func optionalText(text string) types.Option[string] {
	if text == "" {
		return types.None[string]()
	}
	return types.Some(text)
}
