package client

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fluxwire-go/fluxwire/sse"
)

// Sentinel declares that an event with exactly this data, byte for byte, ends the
// stream, like "[DONE]" in the streams of language models. The stream is then complete,
// without an error, and the client does not reconnect; the event is not yielded. The
// option can be given several times, for several sentinels.
//
// The name of the event does not matter. Its data is compared before a [Codec] or a
// case of [Types] sees it, so it is neither a [*DecodeError] nor an
// [*UnknownEventError]. The caller does not see its id: a later call that resumes at
// the last event that was yielded gets the sentinel again and is complete at once.
// Sentinel also works with [Strict].
//
// With a sentinel, a truncated stream can be detected: with [NoReconnect], a body that
// ends without a sentinel ends the stream with an error that matches
// [io.ErrUnexpectedEOF]. (The answer 204 and stream.complete still end it without an
// error.) Without NoReconnect such a body is a lost connection, and the client
// reconnects.
func Sentinel(data string) Option {
	return func(c *config) {
		if !utf8.ValidString(data) || strings.Contains(data, "\r") {
			c.fail("option Sentinel: %q cannot be the data of an event, which is UTF-8 without a CR", data)
			return
		}
		c.sentinels = append(c.sentinels, data)
	}
}

func (c *config) isSentinel(ev sse.Event) bool {
	return slices.ContainsFunc(c.sentinels, func(s string) bool {
		return string(ev.Data) == s // does not copy the data
	})
}

// bodyEnd returns what the end of the body means with [NoReconnect].
func (c *config) bodyEnd() error {
	if len(c.sentinels) == 0 {
		return nil
	}
	return fmt.Errorf("client: the stream was cut: the body ended without a sentinel: %w", io.ErrUnexpectedEOF)
}
