// Package eventlog is the numbered, bounded log behind a topic. Each event that is
// appended gets the next position, and any number of readers get the events in that
// order, from the position where they left off, for as long as the log keeps them.
//
// Start with [Log], the interface: its comments are the specification, and the
// package logtest checks each sentence of them on any engine. [NewMemory] is the
// engine in this package. It keeps its events in the same window of frames that
// subscribers read, so that each byte exists once.
//
// In the flow a log sits between the encoder and the subscribers' window:
//
//	encode once ──► log: numbered, bounded ──► window ──► cursors
//
// What is easy to miss: a position is a number and a stamp. The number alone does not
// say in which incarnation of a log an event was stored, and a log that was restarted
// counts from one again. The stamp distinguishes the incarnations, so that a client that
// resumes at a number of another incarnation is told so, and does not miss events in
// silence.
package eventlog
