package dacapo

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	ops "dacapo/internal/wit/imports/dacapo_workflow_operations"
)

// Signal is a name under which others send this workflow values. What came before anybody asked for it
// is kept, also by a run that continues as new. All who ask for the same name share its signals: each
// is taken once.
type Signal[T any] struct{ name string }

// NewSignal names a signal.
func NewSignal[T any](name string) Signal[T] { return Signal[T]{name} }

// Next waits for the next one. One that does not fit the type is set aside, with a line in the log of
// the run: a sender's mistake does not end it.
func (s Signal[T]) Next(ctx context.Context) (T, error) {
	in := requireRun().inbox(s.name)
	for {
		taken, err := in.next(ctx, caller())
		if err != nil {
			var none T
			return none, err
		}
		if value, fits := s.read(in, taken.text); fits {
			return value, nil
		}
	}
}

// TryNext takes one that is there already.
func (s Signal[T]) TryNext() (T, bool) {
	in := requireRun().inbox(s.name)
	for {
		text, isThere := in.take()
		if !isThere {
			var none T
			return none, false
		}
		if value, fits := s.read(in, text); fits {
			return value, true
		}
	}
}

func (s Signal[T]) read(in *inbox, text []byte) (T, bool) {
	value, err := decodeAs[T](text, "the input of signal `"+s.name+"`", "InvalidSignal")
	if err != nil {
		fmt.Fprintln(os.Stderr, "a signal was set aside:", err)
		in.invalid++
		in.problem = err.Error()
	}
	return value, err == nil
}

// Chan is a channel of them, for select, until the context is cancelled. One that nobody has received
// when the run continues as new goes over to the new run.
func (s Signal[T]) Chan(ctx context.Context) <-chan T {
	in := requireRun().inbox(s.name)
	channel := make(chan T)
	go func() {
		for {
			text, err := in.next(ctx, aChannel)
			if err != nil {
				return
			}
			value, fits := s.read(in, text.text)
			if !fits {
				continue
			}
			// It is taken once it is received, and until then anybody may take it.
			offered := in.offer(text)
			select {
			case channel <- value:
				in.withdraw(offered)
			case <-offered.taken:
			case <-ctx.Done():
				if in.withdraw(offered) {
					in.putBack(text)
				}
				return
			}
		}
	}()
	return channel
}

// aChannel is where a channel waits, for those who ask.
const aChannel = "a channel"

type message struct {
	// Which of all signals that the run got it is, counted from 1.
	nth  uint32
	text []byte
}

// offer is a message that a channel holds out.
type offer struct {
	message
	taken chan struct{}
}

type inbox struct {
	name     string
	messages []message
	offers   []*offer
	waiting  []chan struct{}
	invalid  int
	problem  string
}

func (r *run) inbox(name string) *inbox {
	in := r.inboxes[name]
	if in == nil {
		in = &inbox{name: name}
		r.inboxes[name] = in
	}
	return in
}

func (r *run) gotSignal(name string, text []byte) {
	r.signals++
	in := r.inbox(name)
	in.messages = append(in.messages, message{r.signals, text})
	in.wakeOne()
}

func (in *inbox) wakeOne() {
	if len(in.waiting) > 0 {
		close(in.waiting[0])
		in.waiting = in.waiting[1:]
	}
}

// untaken are those that nobody has, the oldest first.
func (in *inbox) untaken() []message {
	in.settleOffers()
	var all []message
	for _, each := range in.offers {
		all = append(all, each.message)
	}
	all = append(all, in.messages...)
	slices.SortFunc(all, func(a, b message) int { return int(a.nth) - int(b.nth) })
	return all
}

// settleOffers lets those who have just handed over what they offered say so.
func (in *inbox) settleOffers() {
	if len(in.offers) > 0 {
		settle()
	}
}

// takeOne takes the oldest, also from a channel where nobody has received it.
func (in *inbox) takeOne() (message, bool) {
	in.settleOffers()
	if len(in.offers) > 0 {
		first := in.offers[0]
		in.offers = in.offers[1:]
		close(first.taken)
		return first.message, true
	}
	if len(in.messages) == 0 {
		return message{}, false
	}
	first := in.messages[0]
	in.messages = in.messages[1:]
	return first, true
}

func (in *inbox) take() ([]byte, bool) {
	taken, isThere := in.takeOne()
	return taken.text, isThere
}

func (in *inbox) offer(of message) *offer {
	offered := &offer{of, make(chan struct{})}
	in.offers = append(in.offers, offered)
	return offered
}

// withdraw ends an offer, unless somebody has taken it.
func (in *inbox) withdraw(gone *offer) bool {
	index := slices.Index(in.offers, gone)
	if index >= 0 {
		in.offers = slices.Delete(in.offers, index, index+1)
	}
	return index >= 0
}

func (in *inbox) putBack(back message) {
	in.messages = append([]message{back}, in.messages...)
	in.wakeOne()
}

// next waits for a message. A channel takes none that another one offers.
func (in *inbox) next(ctx context.Context, at string) (message, error) {
	for {
		if at != aChannel {
			if taken, isThere := in.takeOne(); isThere {
				return taken, nil
			}
		} else if len(in.messages) > 0 {
			first := in.messages[0]
			in.messages = in.messages[1:]
			return first, nil
		}
		if ctx.Err() != nil {
			return message{}, cancelled(ctx)
		}
		in.wait(ctx, at)
	}
}

func (in *inbox) wait(ctx context.Context, at string) {
	woken := make(chan struct{})
	in.waiting = append(in.waiting, woken)
	defer theRun.waitsFor(&wait{kind: "signal", signal: in.name, at: at})()
	select {
	case <-woken:
	case <-ctx.Done():
		for index, each := range in.waiting {
			if each == woken {
				in.waiting = append(in.waiting[:index:index], in.waiting[index+1:]...)
				return
			}
		}
		// It was woken, and leaves the signal to the next.
		if len(in.messages) > 0 {
			in.wakeOne()
		}
	}
}

// returnSignals hands those that nobody has taken to the run that follows.
func (r *run) returnSignals() {
	for _, name := range sortedKeys(r.inboxes) {
		for _, each := range r.inboxes[name].untaken() {
			ops.ReturnSignal(each.nth)
		}
	}
}

// Raw is a value as JSON text, whatever it is.
type Raw = json.RawMessage
