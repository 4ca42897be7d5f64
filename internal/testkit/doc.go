// Package testkit has the helpers that tests of servers share: they open event streams,
// and wait for effects behind real sockets.
//
// Every function takes the test that it works for. It fails that test on errors, and
// stops what it has started when the test ends.
package testkit
