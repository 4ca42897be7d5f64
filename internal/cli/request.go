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

// formType is what a body is said to be unless a header says otherwise, as curl
// has it.
const formType = "application/x-www-form-urlencoded"

// headers are those of --header.
type headers http.Header

// set adds one header, "Key: value", or those of a file: a token in a file is
// not seen by who lists the processes.
func (h headers) set(s string) error {
	name, ok := strings.CutPrefix(s, "@")
	if !ok {
		return h.add(s)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := h.add(line); err != nil {
			return err
		}
	}
	return nil
}

// add checks what net/http would check only when it sends it (RFC 9110, sections
// 5.1 and 5.5). Its errors leave out the value, which may be a secret.
func (h headers) add(s string) error {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	key, value, ok := strings.Cut(s, ":")
	value = strings.Trim(value, " \t")
	switch {
	case !ok:
		return errors.New("it is not of the form 'Key: value'")
	case key == "" || strings.Trim(key, token) != "":
		return fmt.Errorf("%q is no name of a header", key)
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

// onRequest has sent tell whether the options were good, so that there was
// something to send: the client checks them all before it makes a request.
func onRequest(sent *bool) client.Option {
	return client.OnRequest(func(*http.Request) error {
		*sent = true
		return nil
	})
}
