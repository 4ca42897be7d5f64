package main

import (
	"testing"

	"github.com/fluxwire-go/fluxwire/examples/internal/lesson"
)

func TestLesson(t *testing.T) {
	lesson.Prints(t, main, `1 price EUR/USD 1.09
2 price EUR/USD 1.1
complete
`)
}
