package handlers

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// An Action is what a request wants to do with a stream.
type Action string

const (
	ActionSubscribe Action = "subscribe" // read it from now on
	ActionReplay    Action = "replay"    // read what it kept, too: the request names a position
	ActionPublish   Action = "publish"   // send to it
)

// An Access is what a request asks for.
type Access struct {
	Route  string // the stream's name, see [Name]
	Action Action
}

// A Grant says that a request may have what it asks for.
type Grant struct {
	// Subject is the name of the user or tenant that asks. The limit on the streams
	// of one subject, and [Server.End], go by it. If it is "", the subject is the
	// client's address.
	Subject string
	// Expires is when the grant ends: then a stream.bye ends the stream. The zero
	// time means never.
	Expires time.Time
}

// authorize asks the configured function, if there is one.
func (s *Server) authorize(r *http.Request, access Access) (Grant, error) {
	if s.cfg.Authorize == nil {
		return Grant{}, nil
	}
	grant, err := s.cfg.Authorize(r, access)
	if err != nil {
		return Grant{}, err
	}
	if !grant.Expires.IsZero() && !grant.Expires.After(time.Now()) {
		return Grant{}, &Problem{Status: http.StatusUnauthorized, Detail: "the grant has expired; authenticate again"}
	}
	return grant, nil
}

// Authorized returns a handler that serves next if [Config.Authorize] grants access,
// and else answers with its error, as a [Problem]. It is for handlers that publish to a
// stream.
func (s *Server) Authorized(access Access, next http.Handler) http.Handler {
	s.check("Server.Authorized")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.authorize(r, access); err != nil {
			WriteProblem(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// subject returns what the limits count r by: the grant's subject, or the
// client's address if that is "".
func (s *Server) subject(r *http.Request, g Grant) string {
	if g.Subject != "" {
		return g.Subject
	}
	return s.clientAddr(r)
}

// clientAddr returns the address of r's client: the connection's or, if that is
// a trusted proxy's, the last one in X-Forwarded-For that is not.
func (s *Server) clientAddr(r *http.Request) string {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr // a network without IP addresses, as in tests
	}
	client := addr.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !s.trusted(client) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break // a trusted proxy does not write this: believe nothing to the left of it
		}
		client = next.Unmap()
	}
	return client.String()
}

func (s *Server) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(s.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// A refusal says why no stream can be opened now.
type refusal struct {
	reason string // the one that stream.bye gives
	status int
	detail string
}

var (
	refusedDraining = &refusal{string(ReasonShutdown), http.StatusServiceUnavailable, "the server is shutting down; try again elsewhere, or later"}
	refusedGrant    = &refusal{string(ReasonGrant), http.StatusUnauthorized, "the grant was withdrawn; authenticate again"}
	refusedTotal    = &refusal{"limit", http.StatusServiceUnavailable, "the server has reached its maximum of open streams; try again later"}
)

func refusedSubject(limit int) *refusal {
	return &refusal{"limit", http.StatusTooManyRequests, fmt.Sprintf("you already have %d open streams, the maximum; close one, or try again later", limit)}
}
