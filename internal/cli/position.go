package cli

import (
	"context"

	"github.com/fluxwire-go/fluxwire/client"
)

// A position is the cursor of tail: the id of the last event that was handled, or of
// an id without an event. It is kept in the file of --cursor, if there is one.
type position struct {
	file *client.FileCursor
	id   string
}

func (p *position) Load(ctx context.Context) (string, error) {
	if p.file == nil {
		return "", nil
	}
	return p.file.Load(ctx)
}

func (p *position) Save(ctx context.Context, id string) error {
	p.id = id
	if p.file == nil {
		return nil
	}
	return p.file.Save(ctx, id)
}
