package answer

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// A Problem is an error that the client is told about: a problem document (RFC
// 9457, application/problem+json) as the response if nothing has been sent yet,
// and the data of a stream.error event if the stream has begun.
//
// A source, or the function that opens one, returns a *Problem (or an error
// that wraps one) to choose the status and the words. For any other error the
// client gets status 500 without details, because the error's text may hold
// what clients should not see; the log has it in full.
type Problem struct {
	// Type is a URI that names the kind of problem. "" means "about:blank": the
	// status says it all.
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
	q := fill(*p)
	s := "handlers: " + strconv.Itoa(q.Status) + " " + q.Title
	if q.Detail != "" {
		s += ": " + q.Detail
	}
	return s
}

// fill returns p with its defaults in place.
func fill(p Problem) Problem {
	if p.Status < 400 || p.Status > 599 {
		p.Status = http.StatusInternalServerError
	}
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	return p
}

// ProblemOf returns what a client may be told about err: the [Problem] that it
// is or wraps, with the defaults in place, and otherwise one that only says 500.
func ProblemOf(err error) Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return fill(*p)
	}
	return fill(Problem{})
}

// WriteProblem responds with the [ProblemOf] err. It must be called before
// anything else has been written.
func WriteProblem(w http.ResponseWriter, err error) {
	p := ProblemOf(err)
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and an int always marshal
	}
	body = append(body, '\n')
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	w.Write(body) // the status has been sent: an error here means that the client has left
}
