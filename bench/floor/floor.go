// Package floor holds the source of a program in C that does what cmd/server does with
// as little work as possible.
package floor

import _ "embed"

// Source is the program, in C for Linux.
//
//go:embed floor.c
var Source []byte
