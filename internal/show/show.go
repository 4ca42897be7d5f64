// Package show holds the rules by which the rooms agree on how URLs and events are
// shown.
package show

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"
)

// URL returns u without its user, query and fragment, which may hold secrets: the
// form for logs and messages.
func URL(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }

// EventName returns the name under which the HTML standard dispatches an event
// named event: "message" if that is empty.
func EventName(event string) string { return cmp.Or(event, "message") }

// IsCollection reports whether data is a JSON object or array. Data of an unknown
// kind is put into JSON unchanged if it is one, and as a string otherwise: text
// that happens to be a number stays text.
func IsCollection(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	return len(data) > 0 && (data[0] == '{' || data[0] == '[') && json.Valid(data)
}
