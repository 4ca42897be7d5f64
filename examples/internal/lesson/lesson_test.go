package lesson

import (
	"fmt"
	"testing"
)

func TestPrinted(t *testing.T) {
	got := printed(t, func() { fmt.Println("one"); fmt.Println("two") })
	if want := "one\ntwo\n"; got != want {
		t.Errorf("printed = %q, want %q", got, want)
	}
	if got := printed(t, func() {}); got != "" {
		t.Errorf("printed = %q after a main that prints nothing, want nothing", got)
	}
}
