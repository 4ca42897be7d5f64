// Package testkit is what tests of servers share: they open event streams, and wait
// for what happens behind real sockets.
//
// Every function takes the test that it works for: it fails that test, and what it
// started ends with it.
package testkit
