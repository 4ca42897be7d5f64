package service

import (
	"fmt"
	"net"
	"strings"
)

// Welcome returns the text for the start: what is served at addr, and three
// commands to try.
func (s *Service) Welcome(addr net.Addr) string {
	scheme, curl := "http", "curl"
	if s.tls != nil {
		scheme, curl = "https", "curl -k"
	}
	base := scheme + "://" + reachable(addr)
	var b strings.Builder
	fmt.Fprintf(&b, "Fluxwire serves event streams at %s\n\n", base)
	for _, r := range s.streamRoutes() {
		fmt.Fprintf(&b, "  %-16s %s\n", r.path, r.about)
	}
	fmt.Fprintf(&b, "  %-16s %s\n", "/ping", "sends pong!, or ?message=, to everybody who follows /events or /stream-sse")
	fmt.Fprintf(&b, "  %-16s %s\n\nTry:\n", "/", "a page that shows it all")
	fmt.Fprintf(&b, "  %s -N %s/stream-sse\n", curl, base)
	fmt.Fprintf(&b, "  %s %s/ping\n", curl, base)
	fmt.Fprintf(&b, "  %s '%s/stream-flux?take=2' -H 'Accept: application/json'\n", curl, base)
	return b.String()
}

// reachable returns the address to write into a URL for addr. The host of addr may
// be unspecified, which means every interface.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return addr.String()
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, fmt.Sprint(tcp.Port))
}
