package sse

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Append appends the wire block of ev to dst.
func Append[T any](dst []byte, ev ServerSentEvent[T]) ([]byte, error) {
	if ev.ID != "" {
		dst = fmt.Appendf(dst, "id: %s\n", ev.ID)
	}
	if ev.Event != "" {
		dst = fmt.Appendf(dst, "event: %s\n", ev.Event)
	}
	if ev.Retry > 0 {
		dst = fmt.Appendf(dst, "retry: %d\n", ev.Retry.Milliseconds())
	}
	var data string
	switch v := any(ev.Data).(type) {
	case string:
		data = v
	case []byte:
		data = string(v)
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return dst, err
		}
		data = string(b)
	}
	for line := range strings.SplitSeq(data, "\n") {
		dst = fmt.Appendf(dst, "data: %s\n", line)
	}
	return append(dst, '\n'), nil
}
