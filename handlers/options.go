package handlers

import (
	"net/http"
	"time"

	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/sse"
)

// An Option changes one setting of one [Handler]. Every constructor takes it:
// it is a [SourceOption] and a [TopicOption].
type Option interface {
	SourceOption
	TopicOption
}

// A SourceOption changes one setting of a [Handler] whose events are encoded for
// each request: those of [Events], [Values], [Emit] and [Subject].
type SourceOption interface{ applySource(*Handler) }

// A TopicOption changes one setting of a [Handler] of a [Topic].
//
// An option that has no meaning for a constructor is not accepted by it: a
// [Filter] that is given to [Values] does not compile.
type TopicOption interface{ applyTopic(*Handler) }

type (
	option       func(*Handler)
	sourceOption func(*Handler)
	topicOption  func(*Handler)
)

func (o option) applySource(h *Handler)       { o(h) }
func (o option) applyTopic(h *Handler)        { o(h) }
func (o sourceOption) applySource(h *Handler) { o(h) }
func (o topicOption) applyTopic(h *Handler)   { o(h) }

// Name names the stream in logs and in [Stats]. Defaults to the route's
// pattern, else the path.
func Name(name string) Option { return option(func(h *Handler) { h.name = name }) }

// Finish lets streams that are open when the server begins to drain continue until
// they end by themselves, but no longer than limit: for a report that must not be cut
// in two.
func Finish(limit time.Duration) Option { return option(func(h *Handler) { h.finish = limit }) }

// Finite declares that the source comes to an end by itself, so that a JSON
// array of it needs no take.
func Finite() SourceOption { return sourceOption(func(h *Handler) { h.finite = true }) }

// Codec encodes the data of the stream's events. Defaults to [sse.JSON]. (The events
// of a topic are encoded by the topic, see [hub.Config].)
func Codec(c sse.Codec) SourceOption { return sourceOption(func(h *Handler) { h.codec = c }) }

// Policy says what happens to a client that reads so slowly that its position is
// no longer kept. Defaults to [hub.PolicyToOldest].
func Policy(p hub.Policy) TopicOption { return topicOption(func(h *Handler) { h.policy = p }) }

// Filter gives each request a choice of the topic's events. Its error is
// answered as a [Problem]. A client whose events are rare is told by heartbeats
// how far it has got, so that it resumes from there.
func Filter(choose func(*http.Request) (hub.Filter, error)) TopicOption {
	if choose == nil {
		panic("handlers: Filter: nil function: it would choose every event for every client")
	}
	return topicOption(func(h *Handler) { h.filter = choose })
}
