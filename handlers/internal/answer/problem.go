package answer

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"

	"github.com/fluxwire-go/fluxwire/sse"
)

// ProblemOf returns what a client may be told about err: a copy of the
// [sse.Problem] that err is or wraps, and otherwise one that only says 500. Its
// status is always one of an error, its title is filled in, and extensions that
// are not JSON are left out, so that it always encodes.
func ProblemOf(err error) *sse.Problem {
	var p sse.Problem
	if found, ok := errors.AsType[*sse.Problem](err); ok && found != nil {
		p = *found
	}
	if p.Status < 400 || p.Status > 599 {
		p.Status = http.StatusInternalServerError
	}
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	p.Extensions = maps.Clone(p.Extensions)
	maps.DeleteFunc(p.Extensions, func(_ string, v json.RawMessage) bool { return !json.Valid(v) })
	return &p
}

// WriteProblem responds with the [ProblemOf] err. It must be called before
// anything else has been written.
func WriteProblem(w http.ResponseWriter, err error) {
	p := ProblemOf(err)
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // see ProblemOf
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
