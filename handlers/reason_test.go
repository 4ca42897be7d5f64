package handlers

import (
	"testing"

	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
)

// A reason has the same name in Go, on the wire, in the log and in metrics.
func TestReasons(t *testing.T) {
	for i, want := range map[session.Reason]Reason{
		session.Complete: ReasonComplete,
		session.Error:    ReasonError,
		session.Left:     ReasonLeft,
		session.Stalled:  ReasonStalled,
		session.MaxAge:   ReasonMaxAge,
		session.Shutdown: ReasonShutdown,
		session.Grant:    ReasonGrant,
		session.Slow:     ReasonSlow,
	} {
		if got := Reason(i.String()); got != want {
			t.Errorf("the session's reason %d is %q, want %q", i, got, want)
		}
	}
	if got, want := len(reasons), session.Reasons-1; got != want {
		t.Errorf("%d reasons, want the session's %d", got, want)
	}
}
