package answer

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

// A lifeline is a response writer whose connection has deadlines.
type lifeline struct {
	http.ResponseWriter
	read, write time.Time
}

func (l *lifeline) SetReadDeadline(t time.Time) error  { l.read = t; return nil }
func (l *lifeline) SetWriteDeadline(t time.Time) error { l.write = t; return nil }

// A lateBody arrives at the deadline for reading it, and not before.
type lateBody struct{ conn *lifeline }

func (b lateBody) Read([]byte) (int, error) {
	time.Sleep(time.Until(b.conn.read))
	return 0, os.ErrDeadlineExceeded
}

func TestDiscardBody(t *testing.T) {
	for _, tt := range []struct {
		name   string
		body   func(conn *lifeline) io.Reader
		status int // of the problem; 0 if there is none
	}{
		{"none", func(*lifeline) io.Reader { return http.NoBody }, 0},
		{"short", func(*lifeline) io.Reader { return strings.NewReader("body") }, 0},
		{"as long as it may be", func(*lifeline) io.Reader { return strings.NewReader(strings.Repeat("b", 64<<10)) }, 0},
		{"too long", func(*lifeline) io.Reader { return strings.NewReader(strings.Repeat("b", 64<<10+1)) }, http.StatusRequestEntityTooLarge},
		{"late", func(conn *lifeline) io.Reader { return lateBody{conn} }, http.StatusRequestTimeout},
		{"broken", func(*lifeline) io.Reader { return io.MultiReader(strings.NewReader("bo"), brokenBody{}) }, http.StatusBadRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := &lifeline{ResponseWriter: httptest.NewRecorder(), write: time.Now().Add(time.Hour)}
				r := httptest.NewRequest("GET", "/", nil)
				r.Body = io.NopCloser(tt.body(conn))
				start := time.Now()
				err := DiscardBody(http.NewResponseController(conn), r, 3*time.Second)
				if tt.status == 0 {
					if err != nil {
						t.Fatalf("DiscardBody = %v", err)
					}
					if !conn.read.IsZero() || !conn.write.IsZero() {
						t.Errorf("deadlines are left: read %v, write %v", conn.read, conn.write)
					}
					return
				}
				if p, ok := errors.AsType[*sse.Problem](err); !ok || p.Status != tt.status {
					t.Errorf("DiscardBody = %v, want a problem with status %d", err, tt.status)
				}
				if got := time.Since(start); tt.status == http.StatusRequestTimeout && got != 3*time.Second {
					t.Errorf("it waited for %v, want 3s", got)
				}
			})
		})
	}
}

type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
