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
// 500 without details, because its text may hold things that clients should
// not see. The log has the whole text.
type Problem = sse.Problem

// WriteProblem responds with the [Problem] that err is or wraps. For any other error it
// responds with a problem that has only the status 500. Nothing else may have been
// written before.
func WriteProblem(w http.ResponseWriter, err error) { answer.WriteProblem(w, err) }
