package handlers

import (
	"net/http"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
)

// A Problem is an error that the client is told about, see [answer.Problem].
type Problem = answer.Problem

// WriteProblem responds with the [Problem] that err is or wraps, and with one
// that only says 500 for any other error. It must be called before anything
// else has been written.
func WriteProblem(w http.ResponseWriter, err error) { answer.WriteProblem(w, err) }
