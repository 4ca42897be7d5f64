package window

// Bounds returns the numbers of the oldest element kept and of the one that will
// be appended next. They are equal when nothing is kept.
func (w *Window[T]) Bounds() (first, end uint64) {
	d := w.directory.Load()
	return d.first, d.end()
}
