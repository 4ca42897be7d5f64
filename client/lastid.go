package client

import (
	"net/url"
	"strings"
)

// LastEventID sets the Last-Event-ID of the first request: the position where an
// earlier run stopped.
func LastEventID(id string) Option {
	return func(c *config) { c.lastEventID = id }
}

// LastEventIDQuery sends the last event id in the query parameter param as well as in
// the Last-Event-ID header, for a proxy that strips the header, or a server that reads
// only the query. (Ours reads the header first, then lastEventId and last_event_id.)
//
// The client then owns the parameter: it replaces a parameter of that name in the URL,
// and removes it while there is no id. The rest of the query stays as it was written.
// After a redirect the id is sent too. An id that a header cannot carry, because of a
// control character, is sent only in the query.
func LastEventIDQuery(param string) Option {
	return func(c *config) { set(c, &c.idParam, param, param == "", "LastEventIDQuery") }
}

// sendable reports whether a header can carry id: the HTML standard forbids NUL, CR and
// LF, net/http every control character but the tab.
func sendable(id string) bool {
	return strings.IndexFunc(id, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) < 0
}

// setParam sets one parameter of u's query, or removes it if value is "". It does not
// change a byte of the others, which a signature may cover.
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
