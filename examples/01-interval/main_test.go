package main

import (
	"testing"
	"testing/synctest"

	"github.com/fluxwire-go/fluxwire/examples/internal/lesson"
)

// In a bubble of synctest the three seconds take no time.
func TestLesson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lesson.Prints(t, main, `tick 0
tick 1
tick 2
complete
`)
	})
}
