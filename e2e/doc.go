// Package e2e tests Fluxwire with real parts: the built program as a process, its
// signals, TLS on sockets, a browser, nginx, curl, and a network that fails.
//
// It is a separate module, so that the tests of the other packages need only Go, and
// users of Fluxwire do not depend on the driver of the browser. A test whose program
// is missing is skipped, and says which Debian package has it;
// FLUXWIRE_REQUIRE_ALL=1 makes that a failure.
package e2e
