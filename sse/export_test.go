package sse

// Held returns how many bytes of buffers d holds.
func (d *Decoder) Held() int {
	held := cap(d.lines.buf) + cap(d.data) + cap(d.comment) + cap(d.name) + cap(d.id) + cap(d.long) + cap(d.repaired)
	held += len(d.lastID) + len(d.lastName)
	if d.texts.block != nil {
		held += d.texts.block.Cap()
	}
	return held
}
