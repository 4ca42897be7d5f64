package sse

// Validate reports the first field of ev that an event stream cannot carry, as
// a [*FieldError]. It does not look at Data, which only its encoding shows.
// [Append] checks the same; Validate is for those who write events in another
// form and want no more of them than the wire would take.
func (ev ServerSentEvent[T]) Validate() error {
	return checkFields(ev.ID, ev.Event, ev.Retry, ev.Comment)
}
