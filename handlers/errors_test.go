package handlers

import (
	"errors"
	"testing"

	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/streams"
)

// The end of a client's stream, of a topic and of a Subject are three errors.
func TestErrEnded(t *testing.T) {
	all := []error{ErrEnded, hub.ErrEnded, streams.ErrEnded}
	for i, a := range all {
		for j, b := range all {
			if got := errors.Is(a, b); got != (i == j) {
				t.Errorf("errors.Is(%q, %q) = %t", a, b, got)
			}
		}
	}
}
