// Package rooms has no code: its test checks that imports between the packages of
// this module flow one way.
package rooms
