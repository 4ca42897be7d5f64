package main

import (
	"testing"

	"github.com/fluxwire-go/fluxwire/examples/internal/lesson"
)

func TestLesson(t *testing.T) {
	lesson.Prints(t, main, `{"event":"step","data":"mix"}
{"event":"step","data":"knead"}
{"event":"step","data":"bake"}
{"id":"end","event":"stream.complete","data":{}}
`)
}
