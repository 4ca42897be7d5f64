package cli

import (
	"context"

	"github.com/fluxwire-go/fluxwire/client"
)

// A position is the cursor of tail: it knows how far the stream has got, ids without
// an event included, and keeps that in the file of --cursor, if there is one.
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
