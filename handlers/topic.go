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

// Topic serves the events of topic. An event is encoded once, when it is published, and
// all events that are pending for a client leave in one write.
//
// A stream begins with the next event, or where its request says: after the
// event that Last-Event-ID names (see [LastEventID]), else with the oldest event
// kept (query parameter earliest), the newest N (latest=N), or those since a
// time (since=, RFC 3339 or Unix seconds). The ids on the wire are positions in
// the topic. An event stream first sends the id of the position where it begins, so
// that a client that loses the connection before the first event resumes there. If
// events are missing, the client is told by a stream.gap. Its id is the position where
// the stream continues, so that the client is told once.
//
// When the topic completes, the stream ends with stream.complete, and a client that
// comes back with the id of the last event is answered with 204. (The id of
// stream.complete is "end" only if the client got all the events that it asked for, as
// in [Events].) When the topic fails, the stream ends with stream.error. A client that
// comes later gets the same end; a failure is a problem document then.
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
	h.pacer = carry.NewPacer(h.reader, s.base, s.cfg.Pace)
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
