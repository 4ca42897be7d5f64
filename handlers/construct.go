package handlers

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/fluxwire-go/fluxwire/sse"
)

// newHandler returns a handler for the constructor of that name, which panics if the
// program has a mistake that its types cannot show.
func (s *Server) newHandler(constructor string, typed bool) *Handler {
	s.check(constructor)
	return &Handler{srv: s, typed: typed}
}

// sourceHandler returns a handler whose events are encoded for each request.
func (s *Server) sourceHandler(constructor string, typed bool, opts []SourceOption) *Handler {
	h := s.newHandler(constructor, typed)
	for _, opt := range opts {
		opt.applySource(h)
	}
	return h
}

// check panics if s cannot be used. name is what was called.
func (s *Server) check(name string) {
	switch {
	case s == nil:
		panic("handlers: " + name + ": nil server")
	case s.routes == nil:
		panic("handlers: " + name + ": a zero Server cannot be used: make one with New")
	}
}

// checkSource panics if what a constructor is to serve is nil.
func checkSource(constructor string, missing bool) {
	if missing {
		panic("handlers: " + constructor + ": nil source")
	}
}

// checkData panics if values of type T, which are the data of events, are events
// themselves. instead says what to do.
func checkData[T any](constructor, instead string) {
	if t := reflect.TypeFor[T](); isEvent(t) {
		panic(fmt.Sprintf("handlers: %s: the values are events (%v): %s", constructor, t, instead))
	}
}

var eventPackage = reflect.TypeFor[sse.ServerSentEvent[any]]().PkgPath()

// isEvent reports whether t is an instance of [sse.ServerSentEvent], or a pointer to
// one.
func isEvent(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && strings.HasPrefix(t.Name(), "ServerSentEvent[") && t.PkgPath() == eventPackage
}
