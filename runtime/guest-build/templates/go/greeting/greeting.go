// Package greeting has what needs no server, so that `go test` tests it on this machine.
package greeting

import "fmt"

// For is what a guest is told.
func For(name string) string { return fmt.Sprintf("Hello, %s!", name) }
