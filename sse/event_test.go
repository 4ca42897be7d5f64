package sse

import (
	"errors"
	"testing"
)

func TestValidate(t *testing.T) {
	for _, ev := range []ServerSentEvent[string]{
		{},
		{ID: "1", Event: "a", Retry: 1, Comment: "c\nd"},
		{ID: "a\nb"},
		{ID: "a\x00"},
		{ID: "\xff"},
		{Event: "a\rb"},
		{Event: "\xff"},
		{Comment: "\xff"},
		{Retry: -1},
	} {
		got := ev.Validate()
		_, want := Append(nil, ev)
		if (got == nil) != (want == nil) || got != nil && got.Error() != want.Error() {
			t.Errorf("Validate(%+v) = %v, Append says %v", ev, got, want)
		}
		if _, ok := errors.AsType[*FieldError](got); got != nil && !ok {
			t.Errorf("Validate(%+v) = %T, want a *FieldError", ev, got)
		}
	}
}
