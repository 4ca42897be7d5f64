package main

import (
	"testing"
	"testing/synctest"

	"github.com/fluxwire-go/fluxwire/examples/internal/lesson"
)

func TestLesson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lesson.Prints(t, main, `early: [100 101 102 103]
late:  [102 103]
`)
	})
}
