package dacapo

import "unsafe"

// How a workflow waits: Go's scheduler, once all goroutines wait, asks WASI which of its streams and
// timers is ready. The runtime makes a durable timer of that, and takes standard input for whatever is
// delivered to the run. So one goroutine waits for standard input as others wait for a connection.

//go:linkname pollServerInit internal/poll.runtime_pollServerInit
func pollServerInit()

//go:linkname pollOpen internal/poll.runtime_pollOpen
func pollOpen(fd uintptr) (unsafe.Pointer, int)

//go:linkname pollReset internal/poll.runtime_pollReset
func pollReset(descriptor unsafe.Pointer, mode int) int

//go:linkname pollWait internal/poll.runtime_pollWait
func pollWait(descriptor unsafe.Pointer, mode int) int

// arrivals says when something was delivered that nobody has taken. Whoever hears of it takes it all,
// and then sends to again.
func arrivals() (arrived <-chan struct{}, again chan<- struct{}) {
	const standardInput, reading = 0, 'r'
	pollServerInit()
	descriptor, errno := pollOpen(standardInput)
	if errno != 0 {
		panic("standard input can't be waited for")
	}
	tell, asked := make(chan struct{}), make(chan struct{})
	go func() {
		for {
			pollReset(descriptor, reading)
			pollWait(descriptor, reading)
			tell <- struct{}{}
			<-asked
		}
	}()
	return tell, asked
}
