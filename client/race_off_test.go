//go:build !race

package client

// raceDetector tells that the tests run under the race detector.
const raceDetector = false
