package eventlog_test

import (
	"testing"

	"github.com/fluxwire-go/fluxwire/eventlog"
	"github.com/fluxwire-go/fluxwire/eventlog/logtest"
)

func newMemory(t testing.TB, cfg eventlog.MemoryConfig) *eventlog.Memory {
	t.Helper()
	m, err := eventlog.NewMemory(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestMemoryKeepsThePromises(t *testing.T) {
	logtest.Run(t, logtest.Engine{Open: func(t testing.TB, l logtest.Limits) eventlog.Log {
		return newMemory(t, eventlog.MemoryConfig{
			Events: l.Events, Bytes: l.Bytes, Age: l.Age, MaxEvent: l.MaxEvent, KeyWindow: l.KeyWindow,
		})
	}})
}
