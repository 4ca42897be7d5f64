package answer

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/fluxwire-go/fluxwire/sse"
)

// A Format is a form that a stream's response can take.
type Format int

const (
	EventStream Format = iota
	NDJSON
	JSONArray
)

// mediaTypes are the formats' media types, in the server's order of preference.
var mediaTypes = [...]string{EventStream: "text/event-stream", NDJSON: "application/x-ndjson", JSONArray: "application/json"}

// String returns the format's media type.
func (f Format) String() string {
	if f < 0 || int(f) >= len(mediaTypes) {
		return fmt.Sprintf("format %d", int(f))
	}
	return mediaTypes[f]
}

// Negotiate chooses the format to which the Accept headers in h give the most
// weight (RFC 9110, section 12.5.1). Of formats with equal weights it prefers
// one that Accept names in full to one that only a wildcard matches, and then
// the order of the constants above. Without an Accept header every format is
// acceptable. The error is a [sse.Problem] with status 406.
func Negotiate(h http.Header) (Format, error) {
	accept := h.Values("Accept")
	if len(accept) == 0 {
		return EventStream, nil
	}
	if len(accept) == 1 && (accept[0] == mediaTypes[EventStream] || accept[0] == "*/*") {
		return EventStream, nil // what nearly every client sends: no need to parse it
	}
	var weights, named [len(mediaTypes)]float64
	best := Format(-1)
	for f, offered := range mediaTypes {
		weights[f], named[f] = weigh(accept, offered)
		if weights[f] > 0 && (best < 0 || weights[f] > weights[best] || weights[f] == weights[best] && named[f] > named[best]) {
			best = Format(f)
		}
	}
	if best < 0 {
		return 0, &sse.Problem{
			Status:    http.StatusNotAcceptable,
			Detail:    fmt.Sprintf("Accept: %s: none of these formats is available; ask for one of those offered", strings.Join(accept, ", ")),
			Parameter: "Accept",
			Offered:   mediaTypes[:],
		}
	}
	return best, nil
}

// weigh returns the weight that accept gives to the media type offered, and how
// specific the range is that gives it: 2 for the type itself, 1 for type/*, 0
// for */*, and -1 if no range matches.
func weigh(accept []string, offered string) (weight, specific float64) {
	specific = -1
	kind, _, _ := strings.Cut(offered, "/")
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			name, params, err := mime.ParseMediaType(item)
			if err != nil && name == "" {
				continue // a malformed range matches nothing
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

// Take reads the query parameter take: how many values the client wants, 0 for
// all of them. finite says that the stream ends by itself. A JSON array needs
// take unless its stream is finite, and holds at most 1000 values. The error is
// a [sse.Problem] with status 400.
func Take(q url.Values, f Format, finite bool) (int, error) {
	if !q.Has("take") {
		if f == JSONArray && !finite {
			return 0, &sse.Problem{
				Status:    http.StatusBadRequest,
				Detail:    fmt.Sprintf("this stream does not end, so a JSON array of it needs the query parameter take, from 1 to %d; or ask for application/x-ndjson", maxTake),
				Parameter: "take",
			}
		}
		return 0, nil
	}
	text := q.Get("take")
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < 1:
		return 0, &sse.Problem{
			Status:    http.StatusBadRequest,
			Detail:    fmt.Sprintf("take=%.40q is not a count: write a whole number, 1 or more", text),
			Parameter: "take",
		}
	case f == JSONArray && n > maxTake:
		return 0, &sse.Problem{
			Status:    http.StatusBadRequest,
			Detail:    fmt.Sprintf("take=%d is more than the %d values that one JSON array may hold; ask for application/x-ndjson", n, maxTake),
			Parameter: "take",
		}
	}
	return n, nil
}

// Query returns the query parameters of r, nil if it has none.
func Query(r *http.Request) url.Values {
	if r.URL.RawQuery == "" {
		return nil
	}
	return r.URL.Query()
}

// LastEventID returns the position that the client resumes from: the header
// Last-Event-ID, or else the query parameter lastEventId or last_event_id,
// since a page cannot set the header of a new EventSource. It returns "" if the
// client does not resume.
func LastEventID(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	q := Query(r)
	if id := q.Get("lastEventId"); id != "" {
		return id
	}
	return q.Get("last_event_id")
}

// AsksForHistory reports whether r asks for events that were published before
// it: by a position to resume from, or by one of the query parameters earliest,
// latest and since.
func AsksForHistory(r *http.Request) bool {
	q := Query(r)
	return LastEventID(r) != "" || q.Has("earliest") || q.Has("latest") || q.Has("since")
}
