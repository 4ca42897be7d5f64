package answer

import (
	"net/http"
	"testing"
	"time"
)

func TestStreamHeaders(t *testing.T) {
	for _, tt := range []struct {
		name          string
		f             Format
		heartbeat     time.Duration
		wantType      string
		wantHeartbeat string
	}{
		{"event stream", EventStream, 15 * time.Second, "text/event-stream", "15"},
		{"part of a second is rounded up", NDJSON, 1200 * time.Millisecond, "application/x-ndjson", "2"},
		{"no heartbeat", JSONArray, 0, "application/json", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := make(http.Header)
			StreamHeaders(h, tt.f, tt.heartbeat)
			for name, want := range map[string]string{
				"Content-Type":      tt.wantType,
				"Cache-Control":     "no-cache, no-transform",
				"X-Accel-Buffering": "no",
				"Stream-Heartbeat":  tt.wantHeartbeat,
			} {
				if got := h.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestSetRetryAfter(t *testing.T) {
	for retry, want := range map[time.Duration]string{
		0:                       "1",
		time.Millisecond:        "1",
		2 * time.Second:         "2",
		2001 * time.Millisecond: "3",
	} {
		h := make(http.Header)
		SetRetryAfter(h, retry)
		if got := h.Get("Retry-After"); got != want {
			t.Errorf("SetRetryAfter(%v): %q, want %q", retry, got, want)
		}
	}
}
