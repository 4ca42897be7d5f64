//go:build !race

package sse_test

// raceDetector tells that the tests run under the race detector.
const raceDetector = false
