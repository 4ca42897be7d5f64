package event

import (
	"encoding/json"
	"testing"
)

func TestFind(t *testing.T) {
	data := Append(nil, 7, 8, 60)
	for _, tt := range []struct {
		name, give, want string
	}{
		{"in an envelope", `{"push":{"pub":{"data":` + string(data) + `},"x":"y"}}`, string(data)},
		{"bare", string(data), string(data)},
		{"another message", `{"connect":{"client":"x"}}`, ""},
		{"cut", `{"push":` + string(data[:50]), ""},
	} {
		if got, ok := Find([]byte(tt.give)); string(got) != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: Find(%s) = %s, %v, want %s", tt.name, tt.give, got, ok, tt.want)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, size := range []int{0, 100, 1000} {
		data := Append(nil, 12345, 1_800_000_000_123_456_789, size)
		if size > 0 && len(data) != size {
			t.Errorf("Append(size %d) has %d bytes", size, len(data))
		}
		if !json.Valid(data) {
			t.Errorf("Append(size %d) = %s, not JSON", size, data)
		}
		seq, sent, ok := Parse(data)
		if seq != 12345 || sent != 1_800_000_000_123_456_789 || !ok {
			t.Errorf("Parse(%s) = %d, %d, %v", data, seq, sent, ok)
		}
		for cut := range data {
			if _, _, ok := Parse(data[:cut]); ok {
				t.Errorf("Parse(%s) takes a part for the whole", data[:cut])
			}
		}
	}
}
