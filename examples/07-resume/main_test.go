package main

import (
	"testing"

	"github.com/fluxwire-go/fluxwire/examples/internal/lesson"
)

func TestLesson(t *testing.T) {
	lesson.Prints(t, main, `deposit 300
withdrawal 50
stopped: a withdrawal of 200 is more than 100
withdrawal 200
deposit 10
stopped: <nil>
`)
}
