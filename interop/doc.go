// Package interop holds tests of package client against servers of event streams
// that other projects wrote. It is a separate module, so that users of Fluxwire do not
// depend on those projects.
//
// Tests whose names end in Quirk assert what clients must know about a server although
// it should not do it. If one fails after an update, the server has changed, and
// docs/client.md needs an update too.
package interop
