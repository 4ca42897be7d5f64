package main

import (
	"testing"
	"testing/synctest"

	"github.com/fluxwire-go/fluxwire/examples/internal/lesson"
)

func TestLesson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lesson.Prints(t, main, `1² = 1
3² = 9
5² = 25
`)
	})
}
