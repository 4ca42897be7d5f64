package handlers

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/answer"
	"github.com/fluxwire-go/fluxwire/sse"
)

// A control is an event of the server's own.
type control struct {
	name  string
	id    string
	retry time.Duration
	data  any
}

// append appends the wire form of c. Control events are made of the server's
// own words, so that they always encode.
func (c control) append(dst []byte, f answer.Format) []byte {
	data, err := json.Marshal(c.data)
	if err != nil {
		panic(err)
	}
	if f == answer.EventStream {
		return mustAppend(sse.Append(dst, sse.ServerSentEvent[[]byte]{ID: c.id, Event: c.name, Retry: c.retry, Data: data}))
	}
	return append(appendObject(dst, c.id, c.name, data), '\n')
}

const reservedPrefix = "stream."

// endID is the id of stream.complete where the client has all that it can have:
// of a stream that is run for each request, and of one that ended by take.
const endID = "end"

// checkReserved refuses what would be taken for the server's own words.
func checkReserved(id, event string) error {
	if strings.HasPrefix(event, reservedPrefix) {
		return fmt.Errorf("event %q: names that begin with %q are the server's own; choose another", event, reservedPrefix)
	}
	if id == endID {
		return fmt.Errorf("id %q means that the stream is complete; choose another", id)
	}
	return nil
}

func mustAppend(dst []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return dst
}
