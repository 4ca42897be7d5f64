package load

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/bench/internal/tally"
)

func TestLoop_stalledServer(t *testing.T) {
	l := dial(t, serve(t, true, func(*http.Request) string { return untilClose + blocks(1, 2) }))
	l.stall = 50 * time.Millisecond
	if err := l.Open(Group{Name: "g", N: 3, Path: "/", Next: 1}, patience); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Loop(1, 1, patience, func(int) error { return nil }); !errors.Is(err, ErrStalled) {
		t.Errorf("Loop() of a server that sends nothing more = %v, want ErrStalled", err)
	}
	if got := l.Report(2)["g"].Counts; got.Lost != 0 || got.Events != 6 {
		t.Errorf("Report() = %+v, want the 6 events there were", got)
	}
}

func TestGroup_enveloped(t *testing.T) {
	wrap := func(seqs ...int) string {
		var b strings.Builder
		for _, seq := range seqs {
			b.WriteString(strings.Replace(strings.Replace(block(seq), "data: ", `data: {"push":{"data":`, 1), "\n\n", "}}\n\n", 1))
		}
		return b.String()
	}
	greeting := "data: {\"connect\":{}}\n\n"
	for _, tt := range []struct {
		name, give string
		want       tally.Counts
	}{
		{"all", greeting + wrap(1, 2, 3), tally.Counts{Events: 3}},
		{"with pings between", greeting + wrap(1, 2) + "data: {}\n\n" + wrap(3), tally.Counts{Events: 3}},
		{"one is missing", greeting + wrap(1, 3), tally.Counts{Events: 2, Lost: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := dial(t, serve(t, true, func(*http.Request) string { return untilClose + tt.give }))
			if err := l.Open(Group{Name: "g", N: 1, Path: "/", Next: 1, Enveloped: true}, patience); err != nil {
				t.Fatal(err)
			}
			if ok, err := l.Settle(3, patience); !ok || err != nil {
				t.Fatalf("Settle() = %v, %v", ok, err)
			}
			if got := l.Report(3)["g"]; got.Counts != tt.want || got.Malformed != 0 {
				t.Errorf("Report() = %+v, want %+v and nothing malformed", got, tt.want)
			}
		})
	}

	// The head alone does not mean that a connection is subscribed.
	l := dial(t, serve(t, true, func(*http.Request) string { return untilClose }))
	if err := l.Open(Group{Name: "g", N: 1, Path: "/", Enveloped: true}, 100*time.Millisecond); err == nil {
		t.Error("Open() = nil without a greeting")
	}
}
