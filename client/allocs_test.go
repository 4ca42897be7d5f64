package client

import (
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/fluxwire-go/fluxwire/sse"
)

// roundTrip is a function as a transport, so that net/http does not allocate.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// again repeats text for ever.
type again struct{ text, rest string }

func (a *again) Read(p []byte) (int, error) {
	if a.rest == "" {
		a.rest = a.text
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// checkFollowAllocs checks the number of allocations of Follow for an event with a T on
// an open connection.
func checkFollowAllocs[T any](t *testing.T, name, stream string, body func(io.Reader) io.Reader, most float64) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Helper()
		server := roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: http.StatusOK,
				Header:     http.Header{"Content-Type": {eventStream}, "Stream-Heartbeat": {"15"}},
				Body:       io.NopCloser(body(&again{text: stream})),
			}, nil
		})
		next, stop := iter.Pull2(Follow[T](t.Context(), "http://host.test", HTTPClient(&http.Client{Transport: server})))
		defer stop()
		const events = 200 // measured together, because ids share blocks of text
		got := testing.AllocsPerRun(20, func() {
			for range events {
				if ev, err, ok := next(); err != nil || !ok {
					t.Fatal(ev, err, ok)
				}
			}
		})
		if got > events*most+events/25 && !raceDetector { // which allocates
			t.Errorf("%v allocations for %d events, want at most %v each and %d for their ids", got, events, most, events/25)
		}
	})
}

func TestAllocsFollow(t *testing.T) {
	const (
		text = "id: 12.k3x\nevent: tick\ndata: hello\n\nid: 13.k3x\nevent: tick\ndata: hello\n\n"
		doc  = "id: 12.k3x\nevent: tick\n" + `data: {"n":1,"tags":["a","b"]}` + "\n\nid: 13.k3x\n" + `data: {"n":2,"tags":["a","b"]}` + "\n\n"
	)
	whole := func(r io.Reader) io.Reader { return r }
	checkFollowAllocs[string](t, "a string", text, whole, 1)
	checkFollowAllocs[[]byte](t, "bytes", text, whole, 1)
	checkFollowAllocs[json.RawMessage](t, "raw JSON", doc, whole, 1)
	checkFollowAllocs[string](t, "a string, one byte a read", text, iotest.OneByteReader, 1)
	checkFollowAllocs[string](t, "heartbeats", strings.Repeat(":\n\n", 100)+text, whole, 1)
	checkFollowAllocs[string](t, "empty strings", "data\n\n", whole, 0)

	data := []byte(`{"n":1,"tags":["a","b"]}`)
	v := new(tick)
	codec := testing.AllocsPerRun(1000, func() {
		*v = tick{}
		if err := sse.JSON.DecodeData(data, v); err != nil {
			t.Fatal(err)
		}
	})
	checkFollowAllocs[tick](t, "a struct, as many as its codec", doc, whole, codec)
}
