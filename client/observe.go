package client

import (
	"context"

	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// Observe returns the stream at url as a [streams.Observable], for use with operators.
// It is cold: each run is a subscription of its own, which reconnects and ends as with
// [Follow]; the error that Follow would yield is the error of the run. An Observable can
// have no error but the last, so [ReactionSurface] skips and logs. If a gap must not be
// missed, [Gaps] with [ReactionEnd] makes it the error of the run.
func Observe[T any](url string, opts ...Option) streams.Observable[sse.ServerSentEvent[T]] {
	return streams.Create(func(ctx context.Context, emit func(sse.ServerSentEvent[T]) bool) error {
		c, err := configFor[T](ctx, url, opts)
		if err != nil {
			return err
		}
		for _, r := range []*Reaction{&c.decodeErrors, &c.unknownEvents, &c.gaps} {
			if *r == ReactionSurface {
				*r = ReactionSkip
			}
		}
		err = follow(ctx, c, typed(c, func(ev sse.ServerSentEvent[T], _ error) bool { return emit(ev) }))
		if err == errLeft {
			return nil
		}
		return err
	})
}
