package system

import (
	"bytes"
	"context"
	"net/http"
	"net/url"

	"github.com/centrifugal/centrifuge"
)

// centrifugal is github.com/centrifugal/centrifuge with its handler for event streams.
// The client sends its connect command in the URL, and the server subscribes it to the
// only channel. Events come in the envelope of Centrifuge's protocol, without history.
type centrifugal struct {
	http.Handler
	node *centrifuge.Node
}

// connect is the command that a client of Centrifuge would send.
var connect = url.Values{"cf_connect": {`{"id":1,"connect":{}}`}}.Encode()

func newCentrifuge() (System, error) {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return nil, err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{
			Credentials:   &centrifuge.Credentials{},
			Subscriptions: map[string]centrifuge.SubscribeOptions{"bench": {}},
		}, nil
	})
	if err := node.Run(); err != nil {
		return nil, err
	}
	// The load does not answer pings, so it would be disconnected after half a minute.
	sse := centrifuge.NewSSEHandler(node, centrifuge.SSEConfig{
		PingPongConfig: centrifuge.PingPongConfig{PingInterval: -1, PongTimeout: -1},
	})
	return &centrifugal{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = connect
		sse.ServeHTTP(w, r)
	}), node}, nil
}

func (s *centrifugal) Publish(_ context.Context, _ uint64, data []byte) error {
	_, err := s.node.Publish("bench", bytes.Clone(data))
	return err
}

func (s *centrifugal) Shutdown(ctx context.Context) error { return s.node.Shutdown(ctx) }

func (s *centrifugal) Counts() map[string]uint64 { return nil }

// Enveloped marks it as [Enveloped].
func (s *centrifugal) Enveloped() {}
