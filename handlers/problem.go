package handlers

import (
	"net/http"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/sse"
)

// A Problem is an error that the client is told about: as a problem document
// (RFC 9457, application/problem+json) if nothing has been sent yet, and as the
// data of a stream.error event if the stream has begun.
//
// A source, or the function that opens one, returns a *Problem (or an error
// that wraps one) to choose the status and the words. Status defaults to 500,
// and Title to the status's text. For any other error the client gets status
// 500 without details, because the error's text may hold what clients should
// not see; the log has it in full.
type Problem = sse.Problem

// WriteProblem responds with the [Problem] that err is or wraps, and with one
// that only says 500 for any other error. It must be called before anything
// else has been written.
func WriteProblem(w http.ResponseWriter, err error) { answer.WriteProblem(w, err) }
