package carry

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxwire-go/fluxwire/handlers/internal/session"
	"github.com/fluxwire-go/fluxwire/internal/reading"
	"github.com/fluxwire-go/fluxwire/internal/sleep"
)

// A Pacer wakes the streams of one topic's handler that Blocking drivers carry: all of
// them together, and as a [session.Round] says. So several events leave in one write,
// and no stream is woken for each event. Its two goroutines run while there are streams that
// wait.
type Pacer struct {
	reader reading.Reader
	base   time.Time

	// next is closed when the streams are to look for events.
	next atomic.Pointer[chan struct{}]

	mu      sync.Mutex
	streams int
	stop    context.CancelFunc
	running sync.WaitGroup

	round session.Round // of the goroutine that wakes the streams
}

// NewPacer returns a pacer of the streams that read what reader reads. base is that of
// the sessions' times.
func NewPacer(reader reading.Reader, base time.Time, pace time.Duration) *Pacer {
	p := &Pacer{reader: reader, base: base, round: session.Round{Pace: int64(pace)}}
	p.next.Store(new(make(chan struct{})))
	return p
}

// turn returns a channel that is closed when there may be something new for a stream
// that has looked since, once the stream has joined.
func (p *Pacer) turn() <-chan struct{} { return *p.next.Load() }

// join has a stream woken, also for what has come since it called turn.
func (p *Pacer) join() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.streams++; p.streams > 1 {
		return
	}
	var ctx context.Context
	ctx, p.stop = context.WithCancel(context.Background())
	news := make(chan struct{}, 1)
	p.running.Go(func() {
		p.reader.Watch(ctx, func() {
			select {
			case news <- struct{}{}:
			default: // the streams have not been woken since
			}
		})
	})
	p.running.Go(func() { p.run(ctx, news) })
}

// leave ends what join began, and waits for the goroutines if no stream is left.
func (p *Pacer) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.streams--; p.streams == 0 {
		p.stop()
		p.running.Wait()
	}
}

// run wakes the streams when there is news and the round's rest is over.
func (p *Pacer) run(ctx context.Context, news chan struct{}) {
	for newest := p.reader.Newest(); ; {
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
		if rest := p.round.Rests() - p.now(); rest > 0 {
			if sleep.For(ctx, time.Duration(rest), nil) != nil {
				return
			}
			select {
			case <-news: // what came meanwhile is for the same turn
			default:
			}
		}
		before := newest
		newest = p.reader.Newest()
		p.round.News()
		p.round.Start(p.now())
		close(*p.next.Swap(new(make(chan struct{}))))
		runtime.Gosched() // most streams write now, so that the rest begins when they have
		p.round.Done(p.now(), newest > before, newest > before+1)
	}
}

func (p *Pacer) now() int64 { return int64(time.Since(p.base)) }
