package handlers

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A format is a form that a stream's answer can take.
type format int

const (
	eventStream format = iota
	ndjson
	jsonArray
)

// mediaTypes are the formats' media types, in the server's order of preference.
var mediaTypes = [...]string{eventStream: "text/event-stream", ndjson: "application/x-ndjson", jsonArray: "application/json"}

func (f format) String() string { return mediaTypes[f] }

// negotiate chooses the format that the request's Accept header weighs highest
// (RFC 9110, section 12.5.1). Of equal weights the one that is named outright
// is preferred to one that a wildcard admits, then the server's order counts.
// A request without Accept takes anything.
func negotiate(h http.Header) (format, error) {
	accept := h.Values("Accept")
	if len(accept) == 0 {
		return eventStream, nil
	}
	if len(accept) == 1 && (accept[0] == mediaTypes[eventStream] || accept[0] == "*/*") {
		return eventStream, nil // what nearly everybody says, without parsing it
	}
	var weights, named [len(mediaTypes)]float64
	best := format(-1)
	for f, offered := range mediaTypes {
		weights[f], named[f] = weigh(accept, offered)
		if weights[f] > 0 && (best < 0 || weights[f] > weights[best] || weights[f] == weights[best] && named[f] > named[best]) {
			best = format(f)
		}
	}
	if best < 0 {
		return 0, &Problem{
			Status:    http.StatusNotAcceptable,
			Detail:    fmt.Sprintf("Accept: %s names no form of this stream; ask for one of those offered", strings.Join(accept, ", ")),
			Parameter: "Accept",
			Offered:   mediaTypes[:],
		}
	}
	return best, nil
}

// weigh returns the weight that accept gives the media type offered, and how
// specific the range is that gives it: 2 the type itself, 1 type/*, 0 */*.
func weigh(accept []string, offered string) (weight, specific float64) {
	specific = -1
	kind, _, _ := strings.Cut(offered, "/")
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			name, params, err := mime.ParseMediaType(item)
			if err != nil && name == "" {
				continue // an unreadable range accepts nothing
			}
			s := -1.0
			switch name {
			case offered:
				s = 2
			case kind + "/*":
				s = 1
			case "*/*":
				s = 0
			}
			if s <= specific {
				continue
			}
			q := 1.0
			if text, ok := params["q"]; ok {
				if q, err = strconv.ParseFloat(text, 64); err != nil || !(q >= 0 && q <= 1) {
					q = 0
				}
			}
			weight, specific = q, s
		}
	}
	return weight, specific
}

// maxTake is the most values that one JSON array may hold.
const maxTake = 1000

// parseTake reads the query parameter take: how many values the client wants.
// 0 is "all".
func parseTake(q url.Values, f format, finite bool) (int, error) {
	if !q.Has("take") {
		if f == jsonArray && !finite {
			return 0, &Problem{
				Status:    http.StatusBadRequest,
				Detail:    fmt.Sprintf("this stream has no end, so a JSON array of it needs the query parameter take, from 1 to %d; or ask for application/x-ndjson", maxTake),
				Parameter: "take",
			}
		}
		return 0, nil
	}
	text := q.Get("take")
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < 1:
		return 0, &Problem{
			Status:    http.StatusBadRequest,
			Detail:    fmt.Sprintf("take=%.40q is no count: write a whole number from 1", text),
			Parameter: "take",
		}
	case f == jsonArray && n > maxTake:
		return 0, &Problem{
			Status:    http.StatusBadRequest,
			Detail:    fmt.Sprintf("take=%d is more than the %d values that one JSON array may hold; ask for application/x-ndjson", n, maxTake),
			Parameter: "take",
		}
	}
	return n, nil
}

// query returns the parameters of r, nil if it has none.
func query(r *http.Request) url.Values {
	if r.URL.RawQuery == "" {
		return nil
	}
	return r.URL.Query()
}

// LastEventID returns the position that the client resumes from: the header
// Last-Event-ID, else the query parameter lastEventId or last_event_id (an
// EventSource that is made anew cannot send the header). "" is none.
func LastEventID(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	q := query(r)
	if id := q.Get("lastEventId"); id != "" {
		return id
	}
	return q.Get("last_event_id")
}

// asksForHistory reports whether r names a position to begin at other than the
// present.
func asksForHistory(r *http.Request) bool {
	q := query(r)
	return LastEventID(r) != "" || q.Has("earliest") || q.Has("latest") || q.Has("since")
}
