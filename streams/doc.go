// Package streams holds typed, reactive event streams: an [Observable] is a cold
// source of values, operators turn one into another, and a [Subject] is the hot one
// that many subscribers share.
package streams
