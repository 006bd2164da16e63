// A workflow that waits for a while, and greets.
package main

import (
	"context"
	"time"

	"dacapo"

	"{{name}}/greeting"
)

type guest struct {
	Name         string `json:"name"`
	PatienceSecs int    `json:"patience_secs"`
}

// greetNow touches the world, and is tried again when it fails.
func greetNow(_ context.Context, name string) (string, error) {
	return greeting.For(name), nil
}

// greet goes on where it was if the server dies while it sleeps.
func greet(ctx context.Context, guest guest) (string, error) {
	time.Sleep(time.Duration(guest.PatienceSecs) * time.Second)
	return dacapo.Activity[string](ctx, "greeting", guest.Name)
}

func init() {
	dacapo.RegisterActivity("greeting", greetNow)
	dacapo.RegisterWorkflow("greet", greet)
}

// A component has no beginning of its own: what is registered is called.
func main() {}
