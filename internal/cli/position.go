package cli

import (
	"context"

	"github.com/fluxwire-go/fluxwire/client"
)

// A positionStore is the [client.PositionStore] of tail: the id of the last event that
// was handled, or an id without an event. It is kept in the file of --position-file, if
// there is one.
type positionStore struct {
	file *client.PositionFile
	id   string
}

func (p *positionStore) Load(ctx context.Context) (string, error) {
	if p.file == nil {
		return "", nil
	}
	return p.file.Load(ctx)
}

func (p *positionStore) Save(ctx context.Context, id string) error {
	p.id = id
	if p.file == nil {
		return nil
	}
	return p.file.Save(ctx, id)
}
