// Package show holds two rules that rooms share: how URLs and data are shown.
package show

import (
	"bytes"
	"encoding/json"
	"net/url"
)

// URL returns u without its user, query and fragment, which may hold secrets: the
// form for logs and messages.
func URL(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }

// IsCollection reports whether data is a JSON object or array. Data of an unknown
// kind is put into JSON unchanged if it is one, and as a string otherwise: text
// that happens to be a number stays text.
func IsCollection(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	return len(data) > 0 && (data[0] == '{' || data[0] == '[') && json.Valid(data)
}
