package dacapo

import "slices"

// waitsQuery is the query by which people who look at a run ask what it waits for.
const waitsQuery = "__dacapo_waits"

const waitsMax = 200

// signalsMax names of signals are told.
const signalsMax = 100

// wait is something that the code waits for.
type wait struct {
	kind      string
	operation uint32
	signal    string
	at        string
}

// waitsFor notes a wait until what it returns is called.
func (r *run) waitsFor(each *wait) func() {
	r.waits = append(r.waits, each)
	return func() {
		if index := slices.Index(r.waits, each); index >= 0 {
			r.waits = slices.Delete(r.waits, index, index+1)
		}
	}
}

type waitLine struct {
	Kind      string `json:"kind"`
	Operation uint32 `json:"operation,omitempty"`
	Signal    string `json:"signal,omitempty"`
	At        string `json:"at"`
}

type signalLine struct {
	Name    string `json:"name"`
	Count   int    `json:"count"`
	Problem string `json:"problem,omitempty"`
}

func (r *run) report() any {
	report := struct {
		Waits   []waitLine   `json:"waits"`
		More    int          `json:"more"`
		Untaken []signalLine `json:"untaken_signals"`
		Invalid []signalLine `json:"invalid_signals"`
	}{Waits: []waitLine{}, Untaken: []signalLine{}, Invalid: []signalLine{}}
	for _, each := range r.waits {
		if len(report.Waits) == waitsMax {
			report.More++
			continue
		}
		report.Waits = append(report.Waits, waitLine{each.kind, each.operation, each.signal, each.at})
	}
	for _, name := range sortedKeys(r.inboxes) {
		in := r.inboxes[name]
		if count := len(in.untaken()); count > 0 && len(report.Untaken) < signalsMax {
			report.Untaken = append(report.Untaken, signalLine{Name: name, Count: count})
		}
		if in.invalid > 0 && len(report.Invalid) < signalsMax {
			report.Invalid = append(report.Invalid, signalLine{name, in.invalid, in.problem})
		}
	}
	return report
}
