package client

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fluxwire-go/fluxwire/sse"
)

// Sentinel makes an event whose data is exactly data, byte for byte, the end of
// the stream, as "[DONE]" is in the streams of language models: the stream is
// complete, without an error, and is not asked for again; the event is not handed
// out. Given several times, each adds a sentinel.
//
// The name of the event does not matter. Its data is looked at before any [Codec]
// and before the cases of [Types], so that it is neither a [*DecodeError] nor an
// [*UnknownEventError]. If it has an id, nobody is told: a later call that resumes
// at the last event that was handed out hears the sentinel again, and is complete
// at once. It counts with [Strict] too, since the caller asked for it.
//
// Who knows how a whole stream ends knows a cut one: with [NoReconnect] a body
// that ends without a sentinel ends the stream with an error that matches
// [io.ErrUnexpectedEOF]. (An answer of 204 and stream.complete are ends as ever.)
// Without NoReconnect such a body is a lost connection, and made anew.
func Sentinel(data string) Option {
	return func(c *config) {
		if !utf8.ValidString(data) || strings.Contains(data, "\r") {
			c.fail("option Sentinel: %q is the data of no event, which is UTF-8 without a CR", data)
			return
		}
		c.sentinels = append(c.sentinels, data)
	}
}

func (c *config) isSentinel(ev sse.Event) bool {
	return slices.ContainsFunc(c.sentinels, func(s string) bool {
		return string(ev.Data) == s // without a copy of the data
	})
}

// bodyEnd is what the end of the body means where there is no reconnecting.
func (c *config) bodyEnd() error {
	if len(c.sentinels) == 0 {
		return nil
	}
	return fmt.Errorf("client: the stream was cut: the body ended without a sentinel: %w", io.ErrUnexpectedEOF)
}
