// Package logtest is the conformance suite of [eventlog.Log]: it checks each sentence
// of the interface's specification on any engine. An engine is done when [Run] passes,
// under the race detector too:
//
//	func TestLog(t *testing.T) {
//		logtest.Run(t, logtest.Engine{Open: func(t testing.TB, l logtest.Limits) eventlog.Log {
//			…
//		}})
//	}
//
// Every promise is a subtest of its own, named for it. The suite looks at an engine
// through the interface alone: an engine tests itself what it promises beyond that.
package logtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxwire-go/fluxwire/eventlog"
)

// An Engine says how to make a log.
type Engine struct {
	// Open returns an empty log of its own with the limits l, which the suite closes.
	// It uses t.Cleanup to remove what the log needs (a server, a directory), and calls
	// t.Fatal if it fails.
	Open func(t testing.TB, l Limits) eventlog.Log
	// RealTime is for engines that cannot run in virtual time ([synctest]): those that
	// talk over sockets. The suite then waits for what takes time, a few seconds in all.
	RealTime bool
}

// Limits are the bounds of a log. Where one is zero, the engine takes its default,
// which must be no less than 1,000 events, 4 MiB and a minute.
type Limits struct {
	Events          int           // how many are kept at most
	Bytes           int           // of blocks, or of whatever the engine makes of them
	Age             time.Duration // how old an event gets
	MaxEvent        int           // bytes in a block
	MessageIDWindow time.Duration // how long a message id is remembered; never more than Age
}

// A promise is a check of one sentence of the specification, or of a few that belong
// together.
type promise struct {
	name  string
	check func(t testing.TB, e Engine)
}

// Run checks every promise, each with logs of its own.
func Run(t *testing.T, e Engine) {
	if e.Open == nil {
		t.Fatal("logtest: Engine.Open is nil")
	}
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			if e.RealTime {
				run(t, e, p.check)
			} else {
				synctest.Test(t, func(t *testing.T) { run(t, e, p.check) })
			}
		})
	}
}

var errHangs = errors.New("logtest: nothing has happened for two minutes")

// run gives check a context that ends when something hangs, so that one failure does
// not keep the other checks from running.
func run(t testing.TB, e Engine, check func(testing.TB, Engine)) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Minute, errHangs)
	defer cancel()
	check(bounded{t, ctx}, e)
}

type bounded struct {
	testing.TB
	ctx context.Context
}

func (b bounded) Context() context.Context { return b.ctx }

var promises = []promise{
	{"an empty log keeps nothing and reads nothing", checkEmpty},
	{"numbers begin with one and have no holes and events come back as they were", checkAppend},
	{"what was appended is visible at once", checkVisible},
	{"append keeps nothing of the record", checkBlockIsCopied},
	{"a block stays what it is when the log turns over", checkBlockStays},
	{"bad records are refused and not stored", checkBadRecords},
	{"the limit of a block is exact", checkTooLarge},

	{"pages are contiguous from every position", checkPages},
	{"max must be positive", checkMax},
	{"a position that the log has not reached is ahead", checkAhead},
	{"a position with another stamp is foreign", checkForeign},
	{"another incarnation has other stamps", checkIncarnations},

	{"the number of events is bounded", checkEvents},
	{"the bytes are bounded", checkBytes},
	{"the age is bounded", checkAge},
	{"a position whose successors are gone is purged, with numbers", checkPurged},
	{"times do not run backwards", checkTimes},

	{"a message id stores once", checkMessageID},
	{"a message id outlives its event", checkMessageIDOutlives},
	{"a message id is forgotten after its window", checkMessageIDWindow},
	{"of many appends with one message id one stores", checkMessageIDRace},

	{"an unexpected last event is a conflict and nothing is stored", checkExpect},
	{"a message id is looked at before the expectation", checkMessageIDBeforeExpect},
	{"of many appends that expect the same one wins", checkExpectRace},

	{"a tail yields history and then what comes", checkTail},
	{"a tail starts at any position", checkTailFromEverywhere},
	{"a tail can be ranged over again", checkTailAgain},
	{"a tail that is left yields nothing more", checkTailLeft},
	{"a tail fails like a read", checkTailErrors},
	{"a tail that retention overtakes ends with numbers", checkTailOvertaken},
	{"many tails see what many writers append, in one order", checkTailsAndWriters},
	{"a tail ends with the cause when it is cancelled", checkTailCancelled},

	{"a cancelled context is told before anything is done", checkCancelled},
	{"close wakes all calls that wait", checkClose},
	{"append, read, tail, retention and close work at the same time", checkEverythingAtOnce},
}
