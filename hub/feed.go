package hub

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/internal/window"
)

// A Feed is a topic as its readers see it: frames of bytes, of whatever type the
// events were. [Topic.Feed] returns it. Its methods may be called by any number of
// goroutines at once.
type Feed struct {
	name   string
	log    eventlog.Log
	logger *slog.Logger
	window window.FramesConfig
	counts counters

	current atomic.Pointer[epoch] // nil until the tail has filled it
	filled  chan struct{}         // closed when current is set
	ended   atomic.Pointer[ending]
	running context.Context // cancelled when ended is set

	cancelRunning context.CancelFunc

	// pages is a semaphore for reads of the log for subscribers.
	pages chan struct{}

	// looked, if not nil, is called between the looks of a reader at the topic, so that a
	// test can append there. It is nil outside of tests.
	looked func()

	stopTail context.CancelFunc
	tail     sync.WaitGroup

	mu            sync.Mutex
	liveAt        uint64  // where live cursors begin that subscribed before the first window was filled
	firstAppended uint64  // number of the first event stored by Append, 0 if there is none
	lastAppended  uint64  // number of the newest event stored by Append
	appending     int     // calls of log.Append that have not returned
	pendingEnd    *ending // set by Complete, Fail or Close; endIfDue copies it to ended
	warned        time.Time
}

// pagesAtOnce is the number of pages of the log that all subscribers of a topic together
// may read at the same time.
const pagesAtOnce = 8

func newFeed(cfg Config) *Feed {
	f := &Feed{
		name:     cfg.Name,
		log:      cfg.Log,
		logger:   cfg.Logger.With("topic", cfg.Name),
		window:   window.FramesConfig{MaxFrames: cfg.Events, MaxBytes: cfg.Bytes, MaxAge: cfg.Age},
		filled:   make(chan struct{}),
		pages:    make(chan struct{}, pagesAtOnce),
		stopTail: func() {},
	}
	f.running, f.cancelRunning = context.WithCancel(context.Background())
	if frames, stamp, ok := window.OfMemory(cfg.Log); ok {
		f.current.Store(&epoch{frames: frames, complete: true, stamp: stamp})
		close(f.filled)
		return f
	}
	ctx, stop := context.WithCancel(context.Background())
	f.stopTail = stop
	f.tail.Go(func() { f.fill(ctx) })
	return f
}

// Name returns the topic's name.
func (f *Feed) Name() string { return f.name }

// NextSeq returns the number that the next event will get, as far as the window has
// got; 0 before the window is filled for the first time. A subscriber at position p is
// NextSeq()-1-p.Seq events behind.
func (f *Feed) NextSeq() uint64 {
	e := f.current.Load()
	if e == nil {
		return 0
	}
	_, next := e.frames.Bounds()
	return next
}

// Subscribe returns a cursor that begins at s. It does not wait. The cursor can be
// dropped at any time; [Cursor.Close] only keeps the count of subscribers right. On a
// topic that has ended a cursor returns what is kept, and then the end.
func (f *Feed) Subscribe(s Start, p Policy, filter Filter) *Cursor {
	c := &Cursor{feed: f, start: s, policy: p, filter: filter, early: f.current.Load() == nil, before: s.pos}
	f.counts.subscribers.Add(1)
	c.begin()
	return c
}

// Ended reports whether the topic has ended, and how: with nil if it is complete, with
// the error it failed with, or with [ErrClosed].
func (f *Feed) Ended() (err error, ended bool) {
	if e := f.ended.Load(); e != nil {
		return e.err, true
	}
	return nil, false
}
