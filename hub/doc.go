// Package hub is the hot half of the flow: a [Topic] takes typed events, numbers and
// encodes each of them once, keeps them in a bounded log, and any number of
// subscribers read them, each at its own pace.
package hub
