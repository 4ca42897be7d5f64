// Package interop holds tests of package client against servers of event streams
// that other projects wrote. It is a module of its own, so that users
// of Fluxwire do not carry those projects.
//
// What a server does that its clients must know is asserted, too, in tests whose
// names end in Quirk: when one fails after an update, the quirk is gone, and
// docs/client.md is to follow.
package interop
