package cli

import (
	"fmt"
	"testing"
)

func TestValues(t *testing.T) {
	for _, tt := range []struct{ flag, text, want string }{
		{"heartbeat", "90s", "1m30s"},
		{"heartbeat", "off", "-1ns"},
		{"heartbeat", "0", "-1ns"},
		{"heartbeat", "0s", "-1ns"},
		{"max-streams", "7", "7"},
		{"max-streams", "off", "-1"},
		{"max-streams", "0", "-1"},
		{"drain-delay", "off", "-1ns"},
		{"cors-origin", "off", "[]"},
		{"cors-origin", "", "[]"},
		{"cors-origin", " https://a.example ,,*", "[https://a.example *]"},
		{"trusted-proxies", "", "[]"},
		{"trusted-proxies", "10.0.0.0/8, ::1,192.0.2.1", "[10.0.0.0/8 ::1/128 192.0.2.1/32]"},
		{"transport", "portable", "portable"},
		{"log-level", "WARN", "WARN"},
		{"addr", "", ""},
	} {
		p := parseServe(t, nil, "--"+tt.flag+"="+tt.text)
		if got := fmt.Sprint(p.sources.settings[tt.flag].Target.Interface()); got != tt.want {
			t.Errorf("--%s=%s is %s, want %s", tt.flag, tt.text, got, tt.want)
		}
	}
}
