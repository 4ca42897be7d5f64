package service

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"unicode/utf8"

	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/hub"
)

// maxMessage is the size of the longest message that a ping may carry.
const maxMessage = 64 << 10

// ping sends "pong!", or the message that the request carries in its query or
// form, to every open page.
func (s *Service) ping(w http.ResponseWriter, r *http.Request) {
	message, err := pingMessage(w, r)
	if err == nil && r.Method != http.MethodHead {
		err = s.builtin.ping(r.Context(), message)
	}
	if errors.Is(err, hub.ErrEnded) {
		err = &handlers.Problem{Status: http.StatusServiceUnavailable, Detail: "the server is shutting down; try again elsewhere, or later"}
	}
	if err != nil {
		handlers.WriteProblem(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	io.WriteString(w, "sent ping!")
}

func pingMessage(w http.ResponseWriter, r *http.Request) (string, error) {
	tooLarge := &handlers.Problem{
		Status:    http.StatusRequestEntityTooLarge,
		Detail:    fmt.Sprintf("message is longer than %d bytes; send less", maxMessage),
		Parameter: "message",
	}
	// In a form each byte may be written as %XX.
	r.Body = http.MaxBytesReader(w, r.Body, 3*maxMessage+1024)
	err := r.ParseForm()
	if err == nil { // ParseMultipartForm loses this error if the form is not multipart
		err = r.ParseMultipartForm(1 << 20)
	}
	if err != nil && !errors.Is(err, http.ErrNotMultipart) {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return "", tooLarge
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return "", &handlers.Problem{Status: http.StatusRequestTimeout, Detail: fmt.Sprintf("the form did not arrive within %v", readTimeout)}
		}
		return "", &handlers.Problem{Status: http.StatusBadRequest, Detail: "the query or form cannot be read: " + err.Error()}
	}
	message := r.Form.Get("message")
	switch {
	case message == "":
		return "pong!", nil
	case len(message) > maxMessage:
		return "", tooLarge
	case !utf8.ValidString(message):
		return "", &handlers.Problem{Status: http.StatusBadRequest, Detail: "message is not valid UTF-8; send text", Parameter: "message"}
	}
	return message, nil
}
