// Package browser drives a Chromium for tests, by package chromedp. It has what the
// tests of the page need, in one line each: an error of the browser ends the test.
package browser
