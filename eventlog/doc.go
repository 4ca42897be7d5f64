// Package eventlog is the numbered, bounded log that stands behind a topic: events go
// in at one end, each gets the next position, and any number of readers get them in
// that order, from whatever position they left off, for as long as the log keeps
// them.
//
// Start with [Log], the interface: its comments are the specification, and the
// package logtest checks each sentence of them on any engine. [NewMemory] is the
// engine in this package. It keeps its events in the very window of frames that
// subscribers read, so that each byte exists once.
//
// In the flow a log sits between the encoder and the subscribers' window:
//
//	encode once ──► log: numbered, bounded ──► window ──► cursors
//
// What is easy to miss: a position is a number and a stamp. The number alone does not
// say in which life of a log an event was stored, and a log that was restarted counts
// from one again; the stamp tells the lives apart, so that a client who resumes at a
// number of another life is told so, and does not silently miss what came between.
package eventlog
