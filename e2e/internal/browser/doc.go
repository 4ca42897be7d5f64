// Package browser drives a real, headless Chromium from tests, over the DevTools
// protocol on a pair of pipes, with nothing but the standard library.
//
// [Start] gives a [Browser] with a profile of its own, [Browser.NewPage] a [Page]
// in a browser context of its own: nothing is shared between pages but the
// process. Whatever goes wrong ends the test that asked, with the reason, so calls
// return plain values; like [testing.TB.FailNow], they belong in the goroutine that
// runs the test. When the test ends, so do all processes it started, and the
// profile is removed.
//
// It needs pipes that a child process inherits, so it exists on Unix only.
package browser
