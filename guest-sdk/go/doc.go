// Package dacapo is for durable workflows and activities in Go, which run as WebAssembly components in
// Dacapo.
//
// A workflow is a function of a context and one argument. It may use goroutines, channels, select,
// time.Sleep and contexts as everywhere: what it waits for is recorded, and after a crash it is run
// again from its beginning with the same answers, up to where it was. Whatever touches the world is an
// activity.
//
//	func greet(ctx context.Context, guest Guest) (string, error) {
//		time.Sleep(guest.Patience)
//		return dacapo.Activity[string](ctx, "greeting", guest.Name)
//	}
//
//	func init() {
//		dacapo.RegisterWorkflow("greet", greet)
//		dacapo.RegisterActivity("greeting", greeting)
//	}
//
//	func main() {}
//
// An error that a workflow returns ends its run as failed. A panic is a bug: it blocks the run, which
// goes on once the code is fixed. An activity that returns an error or panics is tried again.
package dacapo
