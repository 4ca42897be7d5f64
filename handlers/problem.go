package handlers

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// A Problem is an error that is told to the client: a problem document (RFC
// 9457, application/problem+json) as the answer where no byte has been sent,
// and the data of stream.error where the stream has begun.
//
// A source, or the function that opens one, returns a *Problem (or an error
// that wraps one) to choose the status and the words. Any other error is told
// to the client as a bare 500, for its text may hold what clients should not
// see; the log has it in full.
type Problem struct {
	// Type is a URI that names the kind of problem; "" is "about:blank", a
	// problem that the status says all about.
	Type string `json:"type,omitempty"`
	// Title is the kind of problem in a few words. Defaults to the status's text.
	Title string `json:"title"`
	// Status is the HTTP status. Defaults to 500.
	Status int `json:"status"`
	// Detail says what was wrong this time and what to do.
	Detail string `json:"detail,omitempty"`
	// Parameter names the query parameter, form field or header at fault.
	Parameter string `json:"parameter,omitempty"`
	// Offered lists what could be asked for instead.
	Offered []string `json:"offered,omitempty"`
}

// Error returns the status, the title and the detail.
func (p *Problem) Error() string {
	q := p.filled()
	s := "handlers: " + strconv.Itoa(q.Status) + " " + q.Title
	if q.Detail != "" {
		s += ": " + q.Detail
	}
	return s
}

func (p *Problem) filled() Problem {
	q := *p
	if q.Status < 400 || q.Status > 599 {
		q.Status = http.StatusInternalServerError
	}
	if q.Title == "" {
		q.Title = http.StatusText(q.Status)
	}
	return q
}

// asProblem returns what err may tell a client.
func asProblem(err error) Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.filled()
	}
	return (&Problem{}).filled()
}

func (p Problem) json() []byte {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and an int always marshal
	}
	return b
}

// WriteProblem answers with the problem that err holds, see [Problem]. It must
// be called before anything has been written.
func WriteProblem(w http.ResponseWriter, err error) {
	p := asProblem(err)
	body := append(p.json(), '\n')
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	w.Write(body) // the status is out: an error here means that the client has gone
}
