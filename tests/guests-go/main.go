// The behaviours of guest-sdk/conformance.md in Go.
package main

import (
	"context"
	"time"

	"dacapo"
)

func main() {}

var atOnce = &dacapo.RetryPolicy{InitialInterval: time.Millisecond}

type millis struct {
	Millis int64 `json:"millis"`
}

func (m millis) duration() time.Duration { return time.Duration(m.Millis) * time.Millisecond }

// typesOf are the types of a failure.
func typesOf(err error) []string {
	var types []string
	for _, link := range dacapo.Chain(err) {
		types = append(types, link.Type)
	}
	return types
}

func noop(ctx context.Context) error {
	_, err := dacapo.Activity[dacapo.None](ctx, "noop", dacapo.None(nil))
	return err
}
