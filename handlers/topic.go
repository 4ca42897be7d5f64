package handlers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/handlers/internal/carry"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/internal/reading"
)

// Topic serves topic's events: encoded once, and written to every client as
// they are, all that is pending in one write.
//
// A client begins with the next event, or where its request says: after the
// event that Last-Event-ID names (see [LastEventID]), else with the oldest event
// kept (query parameter earliest), the newest N (latest=N), or those since a
// time (since=, RFC 3339 or Unix seconds). The ids on the wire are positions in
// the topic; the first thing that an event stream holds is the one where it
// begins, so that a client that loses the connection before the first event
// resumes there. Whatever is missing is told by a stream.gap that carries the
// id of the place where the stream goes on, so that it is told once.
//
// When the topic completes, the stream ends with stream.complete, and who comes
// back with its last event's id is answered with 204. (One that ends because its
// client took all that it asked for has the id "end" there, as in [Events].)
// When it fails, the answer is a problem document or a stream.error, for those
// who come later too.
func Topic[T any](s *Server, topic *hub.Topic[T], opts ...TopicOption) *Handler {
	h := s.newHandler("Topic", true)
	checkSource("Topic", topic == nil)
	checkData[T]("Topic", "make the topic with hub.New of the type of their data")
	for _, opt := range opts {
		opt.applyTopic(h)
	}
	h.replays = true
	feed := topic.Feed()
	h.feed = feed
	h.text = textRule[T](topic.Codec())
	h.reader = reading.Hub.Reader(feed, int(h.policy))
	h.open = func(r *http.Request, st *carry.Stream, f answer.Format) (opened, error) {
		start, err := startAt(r)
		if err != nil {
			return opened{}, err
		}
		var filter hub.Filter
		if h.filter != nil {
			if filter, err = h.filter(r); err != nil {
				return opened{}, err
			}
		}
		cursor := feed.Subscribe(start, h.policy, filter)
		if err, ended := feed.Ended(); ended && err == nil && f == answer.EventStream && LastEventID(r) != "" {
			// Nothing is left for a client that has it all: an EventSource stops at 204.
			probe := feed.Subscribe(start, h.policy, filter)
			defer probe.Close()
			if b, err := probe.Next(r.Context()); b.Empty() && errors.Is(err, io.EOF) {
				cursor.Close()
				return opened{}, errNothingLeft
			}
		}
		if LastEventID(r) != "" {
			st.Route.Resumed.Add(1)
		}
		spot := carry.SpotOf(cursor.Position())
		st.Reads(h.reader.Newest, spot)
		return opened{
			spot:   spot,
			cursor: cursor,
			run: func(ctx context.Context, d *carry.Blocking, settled func() bool) (bool, error) {
				return d.Follow(ctx, cursor, settled)
			},
		}, nil
	}
	return h
}

// errNothingLeft is the error of opening a complete stream at its end.
var errNothingLeft = errors.New("handlers: nothing is left of the stream")

// startAt reads where r asks to begin.
func startAt(r *http.Request) (hub.Start, error) {
	if id := LastEventID(r); id != "" {
		return hub.After(id), nil
	}
	q := answer.Query(r)
	switch {
	case q.Has("earliest"):
		return hub.Earliest(), nil
	case q.Has("latest"):
		n, err := strconv.Atoi(q.Get("latest"))
		if err != nil || n < 0 {
			return hub.Start{}, badParameter(q, "latest", "write a whole number of events")
		}
		return hub.Latest(n), nil
	case q.Has("since"):
		t, err := parseTime(q.Get("since"))
		if err != nil {
			return hub.Start{}, badParameter(q, "since", "write a time as in 2026-01-02T15:04:05Z, or in seconds since 1970")
		}
		return hub.Since(t), nil
	}
	return hub.Live(), nil
}

func parseTime(s string) (time.Time, error) {
	if seconds, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	return time.Parse(time.RFC3339, s)
}

func badParameter(q url.Values, name, rule string) error {
	return &Problem{
		Status:    http.StatusBadRequest,
		Detail:    fmt.Sprintf("%s=%.40q cannot be read: %s", name, q.Get(name), rule),
		Parameter: name,
	}
}
