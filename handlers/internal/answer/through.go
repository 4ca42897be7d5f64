package answer

import "net/http"

// A through writes through one writer and does everything else with the one that
// the first wraps.
type through struct {
	outer, below http.ResponseWriter
}

// Through returns a writer that writes through outer, a wrapper of below that
// only counts what passes. It flushes below itself, and so does a
// [http.ResponseController] of it with deadlines and hijacking: frameworks such
// as Echo wrap net/http's writer in one of their own, whose Flush drops the error
// of a connection that is gone.
//
// For [Beneath] the result is no wrapper, so that the fast transport can be used.
func Through(outer, below http.ResponseWriter) http.ResponseWriter {
	return &through{outer, below}
}

func (t *through) Header() http.Header         { return t.outer.Header() }
func (t *through) Write(b []byte) (int, error) { return t.outer.Write(b) }
func (t *through) WriteHeader(status int)      { t.outer.WriteHeader(status) }

// Unwrap returns the writer below. There is no Flush, so that a
// ResponseController, and CheckFlush, look for it there.
func (t *through) Unwrap() http.ResponseWriter { return t.below }

// Beneath returns the writer below w if w was made by [Through], and otherwise w.
func Beneath(w http.ResponseWriter) http.ResponseWriter {
	for {
		t, ok := w.(*through)
		if !ok {
			return w
		}
		w = t.below
	}
}
