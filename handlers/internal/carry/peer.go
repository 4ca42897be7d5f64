package carry

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"time"
)

// A Peer is what a [Blocking] driver writes to.
type Peer interface {
	// head sends what comes before the first byte, if that has not been sent.
	head() (first bool, err error)
	// write sends b, and returns when it is with the kernel, or kept.
	write(b []byte) (n int, err error)
	// deadline sets when a write that is under way, or begins later, fails; the zero time
	// is never. It may be called while another goroutine writes.
	deadline(t time.Time)
}

// A Response is the peer that a response writer leads to.
type Response struct {
	W       http.ResponseWriter
	Control *http.ResponseController // of the writer that flushes
	Head    func(http.ResponseWriter)

	started bool
}

// Started reports whether the status has been written.
func (r *Response) Started() bool { return r.started }

func (r *Response) start() {
	if !r.started {
		r.started = true
		r.Head(r.W)
	}
}

func (r *Response) head() (first bool, err error) {
	if r.started {
		return false, nil
	}
	r.start()
	return true, r.Control.Flush()
}

func (r *Response) write(b []byte) (int, error) {
	r.start()
	n, err := r.W.Write(b)
	if err == nil {
		err = r.Control.Flush()
	}
	if err != nil {
		return 0, err // net/http counts what is still in its buffers
	}
	return n, nil
}

// deadline does nothing for a writer without deadlines, such as a test's recorder.
func (r *Response) deadline(t time.Time) { r.Control.SetWriteDeadline(t) }

// Put writes b, which no session returned. It fails if the client makes no progress for
// timeout. The bytes that were written are those of st, unless st is nil.
func (r *Response) Put(b []byte, timeout time.Duration, st *Stream) error {
	if st != nil {
		st.bytes = 0 // an Array has taken some, of which the client has none
	}
	for {
		part := b[:min(len(b), slice)]
		r.deadline(time.Now().Add(timeout))
		n, err := r.write(part)
		if st != nil {
			st.bytes += uint64(n)
			st.Route.Bytes.Add(uint64(n))
		}
		if err != nil {
			return fmt.Errorf("handlers: write: %w", err)
		}
		if b = b[len(part):]; len(b) == 0 {
			break
		}
	}
	r.deadline(time.Time{}) // the connection's next request must not inherit it
	return nil
}

// Reset resets an HTTP/1.0 connection. Its close is the only end of the answer, so an
// answer that was cut would look whole after a plain close. nginx speaks HTTP/1.0 to the
// servers behind it unless it is configured otherwise.
func (r *Response) Reset() {
	conn, _, err := r.Control.Hijack()
	if err != nil {
		return
	}
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn() // TLS would send close_notify, which marks a good end
	}
	if c, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		c.SetLinger(0)
	}
	conn.Close()
}

// An Array is the peer of a stream that is answered by one JSON array. It keeps the
// events until the array is whole, so that the answer's status can report a failure.
type Array struct {
	// Max bounds the size of the array in bytes.
	Max int
	// TooLarge makes the error for an array over Max.
	TooLarge func(max int) error

	body []byte
}

// A failure is the error of a peer that ends the stream as failed, not as left.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

func (a *Array) head() (bool, error) { return false, nil }
func (a *Array) deadline(time.Time)  {}

func (a *Array) write(b []byte) (int, error) {
	if len(a.body) == 0 {
		a.body = append(a.body, '[')
	}
	if len(a.body)+len(b) > a.Max {
		return len(b), failure{a.TooLarge(a.Max)}
	}
	a.body = append(a.body, b...)
	for i := len(a.body) - len(b); i < len(a.body); i++ {
		if a.body[i] == '\n' { // a line has no other line end
			a.body[i] = ','
		}
	}
	return len(b), nil
}

// Bytes returns the array.
func (a *Array) Bytes() []byte {
	if len(a.body) == 0 {
		return []byte("[]\n")
	}
	a.body[len(a.body)-1] = ']'
	return append(a.body, '\n')
}
