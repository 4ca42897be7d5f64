package sse_test

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/sse"
)

// checkAllocs checks that f does not allocate. Under the race detector a sync.Pool
// drops entries at random, so the test is skipped there.
func checkAllocs(t *testing.T, name string, f func()) {
	t.Helper()
	if raceDetector {
		f()
		return
	}
	if n := testing.AllocsPerRun(1000, f); n != 0 {
		t.Errorf("%s: %v allocations, want 0", name, n)
	}
}

func checkEncodeAllocs[T any](t *testing.T, name string, data T) {
	t.Helper()
	ev := sse.ServerSentEvent[T]{ID: "42.k3x", Event: "tick", Data: data, Retry: 1e9, Comment: "a\nb"}
	buf := make([]byte, 0, 4096)
	enc := sse.NewEncoder[T](nil)
	step := func(got []byte, err error) {
		if err != nil || len(got) == 0 {
			t.Fatalf("%s: %q, %v", name, got, err)
		}
	}
	checkAllocs(t, name+": Encoder.Append", func() { step(enc.Append(buf, ev)) })
	checkAllocs(t, name+": Encoder.AppendData", func() { step(enc.AppendData(buf, data)) })
	checkAllocs(t, name+": Append", func() { step(sse.Append(buf, ev)) })
	checkAllocs(t, name+": IsText", func() { enc.IsText(data) })
}

func TestAllocsEncode(t *testing.T) {
	checkEncodeAllocs(t, "a string", "hello")
	checkEncodeAllocs(t, "a string of many lines", "a\nb\r\nc\rd")
	checkEncodeAllocs(t, "bytes", []byte("hello"))
	checkEncodeAllocs(t, "a named string", word("hello"))
	checkEncodeAllocs(t, "named bytes", blob("hello"))
	checkEncodeAllocs(t, "a struct", tick{1, "now", "hello"})
	checkEncodeAllocs(t, "a pointer to a struct", &tick{1, "now", "hello"})
	checkEncodeAllocs(t, "a type with AppendText", netip.MustParseAddr("10.0.0.1"))
	checkEncodeAllocs[any](t, "a string in an interface", "hello")
	checkEncodeAllocs[any](t, "a struct in an interface", &tick{1, "now", "hello"})
}

func TestAllocsBlocks(t *testing.T) {
	buf := make([]byte, 0, 4096)
	checkAllocs(t, "AppendComment", func() { sse.AppendComment(buf, "a\nb") })
	checkAllocs(t, "AppendRetry", func() { sse.AppendRetry(buf, 1e9) })
	checkAllocs(t, "AppendID", func() { sse.AppendID(buf, "42.k3x") })
}

func TestAllocsDecode(t *testing.T) {
	const events = 100
	var ids strings.Builder
	for i := range events {
		ids.WriteString("id: " + strconv.Itoa(i) + ".k3x9a\nevent: tick\ndata: x\n\n")
	}
	tests := []struct {
		name, stream string
		most         float64 // for all events together
	}{
		{"data", strings.Repeat("data: hello\n\n", events), 0},
		{"the same name", strings.Repeat("event: tick\ndata: hello\n\n", events), 0},
		{"lines", strings.Repeat("data: a\r\ndata: b\r\n\r\n", events), 0},
		{"invalid text", strings.Repeat("data: \xff\n\n", events), 0},
		{"heartbeats", strings.Repeat(":\n\n:\n\ndata: hello\n\n", events), 0},
		{"retry", strings.Repeat("retry: 100\ndata: hello\n\n", events), 0},
		{"long data", strings.Repeat("data: "+strings.Repeat("x", 200_000)+"\n\n", events), 0},
		{"ids, a block for a few dozen", ids.String(), events / 25},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream := &repeat{text: tt.stream, n: 1 << 30}
			d := sse.NewDecoder(stream)
			runs := 20
			if raceDetector {
				runs = 1
			}
			got := testing.AllocsPerRun(runs, func() {
				for range events {
					if ev, err := d.Decode(); err != nil || len(ev.Data) == 0 {
						t.Fatalf("Decode() = %#v, %v", ev, err)
					}
				}
			})
			if got > tt.most && !raceDetector { // which allocates
				t.Errorf("%v allocations for %d events, want at most %v", got, events, tt.most)
			}
		})
	}
}
