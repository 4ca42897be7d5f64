package sse_test

import (
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

func TestAppendWritesAllFieldsInOrder(t *testing.T) {
	got, err := sse.Append(nil, sse.ServerSentEvent[string]{ID: "1", Event: "e", Data: "a\r\nb", Retry: time.Second, Comment: "c"})
	want := "id: 1\nevent: e\nretry: 1000\n: c\ndata: a\ndata: b\n\n"
	if err != nil || string(got) != want {
		t.Errorf("Append = %q, %v; want %q, nil", got, err, want)
	}
}
