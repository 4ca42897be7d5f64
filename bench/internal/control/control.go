// Package control defines the messages between the benchmark's processes.
package control

import (
	"time"

	"github.com/fluxwire-go/fluxwire/bench/internal/load"
	"github.com/fluxwire-go/fluxwire/bench/internal/usage"
)

// Hello is the line that a server prints when it listens. Events are at /events of
// Addr. Control is another HTTP server:
//
//	POST /publish?n=&rate=&burst=&size=   publishes n events, rate a second (0: at once), burst (1) at a time; answers Published
//	GET  /stats                           answers Stats
//	POST /gc                              collects garbage, gives memory back, answers Stats
//	POST /reset-peak                      resets PeakRSS
//	GET  /debug/pprof/                    profiles (of programs in Go)
//
// If there is a rate, each event has a time at which it is due. It contains that time as
// its time of sending, so that a late server cannot hide its delay.
//
// Trigger is a bare TCP address: each byte that is sent there publishes one event.
type Hello struct {
	Addr    string `json:"addr"`
	Control string `json:"control"`
	Trigger string `json:"trigger"`

	Enveloped bool `json:"enveloped"` // see load.Group
}

// Published is the answer to /publish.
type Published struct {
	Last uint64 `json:"last"` // number of the last event there is
}

// Stats is what a server reports about itself.
type Stats struct {
	usage.Usage
	Last   uint64            `json:"last"`
	Counts map[string]uint64 `json:"counts"`
}

// A Command is a line that a load process reads. Each is answered with one Answer.
type Command struct {
	Op string `json:"op"` // open, learn, loop, for, churn, settle, ended, measure or report

	Group    load.Group    `json:"group,omitzero"` // open; its Path: learn; its Name: churn
	InFlight int           `json:"in_flight,omitempty"`
	Rate     float64       `json:"rate,omitempty"`
	For      time.Duration `json:"for,omitempty"`  // how long, or how long at most
	Last     uint64        `json:"last,omitempty"` // number of the last event there is
	Trigger  string        `json:"trigger,omitempty"`
	Post     string        `json:"post,omitempty"` // loop: instead of Trigger, the Control address: each event is a request, over one of InFlight connections
}

// An Answer is the result of a command.
type Answer struct {
	Error     string                 `json:"error,omitempty"`
	Stalled   bool                   `json:"stalled,omitempty"` // Error is load.ErrStalled
	Done      bool                   `json:"done"`              // settle, ended: within the time
	Took      time.Duration          `json:"took"`              // the command
	CPU       time.Duration          `json:"cpu"`               // of the load process, by now
	Published uint64                 `json:"published"`         // loop
	Delivered uint64                 `json:"delivered"`         // since measure
	Latency   load.Latency           `json:"latency"`           // since measure
	Head      load.Latency           `json:"head"`              // from connect to the answer's head, since measure
	Groups    map[string]load.Report `json:"groups,omitempty"`
}
