// Package rx is the bridge between [streams.Observable] and RxGo, both ways.
package rx
