package handlers

import (
	"net/http"
	"slices"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
)

// LastEventID returns the id of the last event that the client got: the header
// Last-Event-ID or, because a page cannot set the header of a new EventSource, the
// query parameter lastEventId or last_event_id. It returns "" if the client does not
// resume.
func LastEventID(r *http.Request) string { return answer.LastEventID(r) }

// Methods serves next for the methods given, such as "GET" and "POST", under the
// Server's CORS rules: it answers OPTIONS and preflight requests itself, and
// any other method with 405 and Allow. HEAD is served where GET is given.
func (s *Server) Methods(next http.Handler, methods ...string) http.Handler {
	s.check("Server.Methods")
	methods = slices.Clone(methods)
	if slices.Contains(methods, http.MethodGet) && !slices.Contains(methods, http.MethodHead) {
		methods = append(methods, http.MethodHead)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.cors.Admit(w, r, methods) {
			next.ServeHTTP(w, r)
		}
	})
}
