package client

import (
	"net/url"
	"strings"
)

// LastEventID sets the Last-Event-ID of the first request: where an earlier run
// left off.
func LastEventID(id string) Option {
	return func(c *config) { c.lastEventID = id }
}

// LastEventIDQuery has the last event id sent in the query parameter param as well
// as in the Last-Event-ID header: for a proxy that strips the header, or a server
// that reads the query alone. (Ours reads the header first, then lastEventId and
// last_event_id.)
//
// The parameter is the client's then: one of that name in the URL is replaced, and
// taken out while there is no id; the rest of the query stays as it was written. A
// redirect takes the id along. An id that no header can carry, because of a control
// character, travels in the query alone.
func LastEventIDQuery(param string) Option {
	return func(c *config) { set(c, &c.idParam, param, param == "", "LastEventIDQuery") }
}

// sendable reports whether id can stand in a header: the HTML standard leaves out
// NUL, CR and LF, net/http every control character but the tab.
func sendable(id string) bool {
	return strings.IndexFunc(id, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) < 0
}

// setParam sets one parameter of u's query, or removes it if value is "". It
// leaves the others as they are, byte for byte: a signature may cover them.
func setParam(u *url.URL, name, value string) {
	var kept []string
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		key, _, _ := strings.Cut(pair, "=")
		if k, err := url.QueryUnescape(key); pair != "" && (err != nil || k != name) {
			kept = append(kept, pair)
		}
	}
	if value != "" {
		kept = append(kept, url.QueryEscape(name)+"="+url.QueryEscape(value))
	}
	u.RawQuery = strings.Join(kept, "&")
}
