package main

import (
	"testing"

	"github.com/fluxwire-go/fluxwire/examples/internal/lesson"
)

func TestLesson(t *testing.T) {
	lesson.Prints(t, main, `new record: 19.5 °C
new record: 21.0 °C
new record: 22.4 °C
`)
}
