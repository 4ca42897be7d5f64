//go:build unix

package pages

import (
	"testing"
)

func TestProgress(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		got        []string
		satisfied  bool
		ok         bool
	}{
		{"the same lines", "a\nb\n", []string{"a", "b"}, false, true},
		{"a carriage return is not part of the line", "a\n", []string{"a\r"}, false, true},
		{"other times and ids are the same", "id: 1\nSSE - 04:07:58.228\n", []string{"id: 27", "SSE - 23:59:00.001"}, false, true},
		{"another status", "HTTP/1.1 200 OK\n", []string{"HTTP/1.1 204 No Content"}, false, false},
		{"a line too few", "a\nb\n", []string{"a"}, false, false},
		{"a line too many", "a\n", []string{"a", "b"}, false, false},
		{"more that may follow", "a\n…\n", []string{"a", "b"}, true, true},
		{"more that need not follow", "a\n…\n", []string{"a"}, true, true},
		{"too few though more may follow", "a\nb\n…\n", []string{"a"}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newProgress(tt.want)
			for _, line := range tt.got {
				p.line(line)
			}
			if got := p.satisfied(); got != tt.satisfied {
				t.Errorf("satisfied() = %v after %q of %q, want %v", got, tt.got, tt.want, tt.satisfied)
			}
			if err := p.end(); (err == nil) != tt.ok {
				t.Errorf("end() = %v after %q of %q, want ok = %v", err, tt.got, tt.want, tt.ok)
			}
		})
	}
}
