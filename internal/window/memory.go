package window

// OfMemory opens what package eventlog keeps unexported, for package hub: the window in
// which log, which is an *eventlog.Memory, keeps its events, and the stamp of all of
// their positions. ok is false for any other log. Frame n is event n with its id line in
// front, and the window ends with eventlog.ErrClosed when the log is closed.
//
// Package eventlog sets it when it is initialized, so any caller that has a log can use it.
var OfMemory func(log any) (frames *Frames, stamp uint32, ok bool)
