package cli

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"os"
	"strings"

	"github.com/fluxwire-go/fluxwire/client"
)

// formType is the content type of a body unless a header sets another, as in curl.
const formType = "application/x-www-form-urlencoded"

// headers are the values of --header.
type headers http.Header

// UnmarshalText adds one header, "Key: value", or those in a file, "@FILE": a token
// in a file cannot be seen in the list of processes.
func (h headers) UnmarshalText(text []byte) error {
	name, ok := strings.CutPrefix(string(text), "@")
	if !ok {
		return h.add(name)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := h.add(line); err != nil {
			return err
		}
	}
	return nil
}

// add adds the header "Key: value". It makes the checks that net/http makes only
// when it sends the header (RFC 9110, sections 5.1 and 5.5). Its errors do not
// contain the value, which may be a secret.
func (h headers) add(s string) error {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	key, value, ok := strings.Cut(s, ":")
	value = strings.Trim(value, " \t")
	switch {
	case !ok:
		return errors.New("not of the form 'Key: value'")
	case key == "" || strings.Trim(key, token) != "":
		return fmt.Errorf("%q is not a name of a header", key)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return fmt.Errorf("the value of %s holds a control character", key)
	case strings.EqualFold(key, "Last-Event-ID"):
		return errors.New("use --last-event-id")
	}
	textproto.MIMEHeader(h).Add(key, value)
	return nil
}

func (h headers) options() (options []client.Option) {
	for key, values := range h {
		options = append(options, client.Header(key, values...))
	}
	return options
}

// onRequest sets sent when a request is made. The client checks all options first,
// so sent says whether they were right.
func onRequest(sent *bool) client.Option {
	return client.OnRequest(func(*http.Request) error {
		*sent = true
		return nil
	})
}
