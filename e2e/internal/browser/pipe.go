//go:build unix

package browser

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// patience bounds one command. Only a browser that hangs uses it up.
const patience = time.Minute

var errClosed = errors.New("browser: the connection to the browser is closed")

// A pipe speaks the DevTools protocol with --remote-debugging-pipe: JSON messages,
// each ended by a NUL byte. Its methods may be called concurrently.
type pipe struct {
	out *os.File

	mu      sync.Mutex
	last    int
	waiting map[int]chan message
	hear    map[string]func(message) // events, by session; called from read
	err     error                    // set once read has ended
}

// A message is a command, an answer or an event.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// read hands out what the browser says until it says no more.
func (p *pipe) read(in io.Reader) {
	r := bufio.NewReader(in)
	for {
		b, err := r.ReadBytes(0)
		var m message
		if err == nil {
			err = json.Unmarshal(b[:len(b)-1], &m)
		}
		p.mu.Lock()
		if err != nil {
			p.err = fmt.Errorf("%w: %w", errClosed, err)
			for _, answer := range p.waiting {
				close(answer)
			}
			p.waiting = nil
			p.mu.Unlock()
			return
		}
		answer, hear := p.waiting[m.ID], p.hear[m.Session]
		delete(p.waiting, m.ID)
		p.mu.Unlock()
		if answer != nil {
			answer <- m
		} else if hear != nil && m.Method != "" {
			hear(m)
		}
	}
}

// on has f called for each event of a session; nil ends it.
func (p *pipe) on(session string, f func(message)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f == nil {
		delete(p.hear, session)
	} else {
		p.hear[session] = f
	}
}

// call sends one command and decodes its answer into result, unless that is nil.
// Session "" is the browser itself.
func (p *pipe) call(session, method string, params, result any) error {
	return p.callWithin(patience, session, method, params, result)
}

func (p *pipe) callWithin(limit time.Duration, session, method string, params, result any) error {
	raw, err := json.Marshal(params)
	if err != nil {
		return fmt.Errorf("browser: %s: %w", method, err)
	}
	answer := make(chan message, 1)
	p.mu.Lock()
	if p.err != nil {
		defer p.mu.Unlock()
		return fmt.Errorf("browser: %s: %w", method, p.err)
	}
	p.last++
	id := p.last
	p.waiting[id] = answer
	b, err := json.Marshal(message{ID: id, Session: session, Method: method, Params: raw})
	if err == nil {
		p.out.SetWriteDeadline(time.Now().Add(limit))
		if _, err = p.out.Write(append(b, 0)); err != nil {
			err = fmt.Errorf("%w: %w", errClosed, err)
		}
	}
	if err != nil {
		delete(p.waiting, id)
	}
	p.mu.Unlock()
	if err != nil {
		return fmt.Errorf("browser: %s: %w", method, err)
	}
	select {
	case m, ok := <-answer:
		switch {
		case !ok:
			return fmt.Errorf("browser: %s: %w", method, errClosed)
		case m.Error != nil:
			return fmt.Errorf("browser: %s: %s (%d)", method, m.Error.Message, m.Error.Code)
		case result != nil:
			return json.Unmarshal(m.Result, result)
		}
		return nil
	case <-time.After(limit):
		p.mu.Lock()
		delete(p.waiting, id)
		p.mu.Unlock()
		return fmt.Errorf("browser: %s: no answer within %v", method, limit)
	}
}
