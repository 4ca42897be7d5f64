// Package e2e tests Fluxwire with real parts: the built program as a process, its
// signals, TLS on sockets, a browser, nginx, curl, and a network that fails.
//
// It is a module of its own, so that the tests of the other packages need Go alone,
// and users of Fluxwire do not carry what drives the browser. A test whose program
// is missing is skipped, and says which Debian package has it;
// FLUXWIRE_REQUIRE_ALL=1 makes that a failure.
package e2e
