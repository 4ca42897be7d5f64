package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/sse"
)

// An option that has no meaning for a constructor does not compile with it.
func TestOptions_misuseDoesNotCompile(t *testing.T) {
	compile := compiler(t)
	const (
		topicOption  = "handlers.TopicOption does not implement handlers.SourceOption"
		sourceOption = "handlers.SourceOption does not implement handlers.TopicOption"
	)
	for _, tt := range []struct{ expr, fails string }{
		{"handlers.Values(srv, values, handlers.Name(``), handlers.Finish(0), handlers.Finite(), handlers.Codec(nil))", ""},
		{"handlers.Values(srv, values, handlers.Filter(nil))", topicOption},
		{"handlers.Values(srv, values, handlers.Policy(hub.PolicyCut))", topicOption},
		{"handlers.ValuesFunc(srv, valuesFunc, handlers.Name(``), handlers.Finite(), handlers.Codec(nil))", ""},
		{"handlers.ValuesFunc(srv, valuesFunc, handlers.Filter(nil))", topicOption},
		{"handlers.Events(srv, events, handlers.Name(``), handlers.Finite(), handlers.Codec(nil))", ""},
		{"handlers.Events(srv, events, handlers.Filter(nil))", topicOption},
		{"handlers.EventsFunc(srv, eventsFunc, handlers.Name(``), handlers.Finite(), handlers.Codec(nil))", ""},
		{"handlers.EventsFunc(srv, eventsFunc, handlers.Filter(nil))", topicOption},
		{"handlers.Emit(srv, emit, handlers.Name(``), handlers.Finite(), handlers.Codec(nil))", ""},
		{"handlers.Emit(srv, emit, handlers.Filter(nil))", topicOption},
		{"handlers.Subject(srv, subject, handlers.Name(``), handlers.Finite(), handlers.Codec(nil))", ""},
		{"handlers.Subject(srv, subject, handlers.Policy(hub.PolicyCut))", topicOption},
		{"handlers.Topic(srv, topic, handlers.Name(``), handlers.Finish(0), handlers.Policy(hub.PolicyCut), handlers.Filter(nil))", ""},
		{"handlers.Topic(srv, topic, handlers.Finite())", sourceOption},
		{"handlers.Topic(srv, topic, handlers.Codec(nil))", sourceOption},
	} {
		err := compile(tt.expr)
		switch {
		case tt.fails == "" && err != nil:
			t.Errorf("%s does not compile: %v", tt.expr, err)
		case tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)):
			t.Errorf("%s compiles with error %v, want one that says %q", tt.expr, err, tt.fails)
		}
	}
}

// compiler returns a function that type-checks an expression of a program that uses
// package handlers.
func compiler(t *testing.T) func(expr string) error {
	t.Helper()
	const program = `package main
import (
	"context"
	"net/http"
	"github.com/fluxwire-go/fluxwire/handlers"
	"github.com/fluxwire-go/fluxwire/hub"
	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)
const _ = hub.PolicyCut
type event = sse.ServerSentEvent[string]
var (
	srv        *handlers.Server
	values     streams.Observable[int]
	valuesFunc func(*http.Request) (streams.Observable[int], error)
	events     streams.Observable[event]
	eventsFunc func(*http.Request) (streams.Observable[event], error)
	emit       func(context.Context, *handlers.Emitter[string]) error
	subject    *streams.Subject[event]
	topic      *hub.Topic[string]
)
var _ http.Handler = %s
`
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export", "github.com/fluxwire-go/fluxwire/handlers")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	files := make(map[string]string) // with what a package exports, for the compiler
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct{ ImportPath, Export string }
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		files[p.ImportPath] = p.Export
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(files[path]) })
	return func(expr string) error {
		f, err := parser.ParseFile(fset, "main.go", fmt.Sprintf(program, expr), 0)
		if err != nil {
			return err
		}
		_, err = (&types.Config{Importer: imports}).Check("main", fset, []*ast.File{f}, nil)
		return err
	}
}

// A plain is a codec whose data is text, whatever its type.
type plain struct{}

func (plain) AppendData(dst []byte, v any) ([]byte, error) { return fmt.Append(dst, *v.(*int)), nil }
func (plain) DecodeData([]byte, any) error                 { return errors.ErrUnsupported }
func (plain) IsText(any) bool                              { return true }

// In NDJSON the data of a topic's event is a string if the topic's own codec makes text.
func TestTopic_codecOfTheTopic(t *testing.T) {
	for name, tt := range map[string]struct {
		codec sse.Codec
		want  string
	}{
		"text": {plain{}, `"data":"1"}`},
		"JSON": {nil, `"data":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			topical(t, Config{}, hub.Config{Codec: tt.codec}, func(h *harness, topic *hub.Topic[int]) {
				if _, err := topic.Append(h.t.Context(), sse.ServerSentEvent[int]{Data: 1}); err != nil {
					h.t.Fatal(err)
				}
				a := h.get("/?earliest&take=1", "Accept", "application/x-ndjson")
				if got := a.line(); !strings.HasSuffix(got, tt.want) {
					h.t.Errorf("line %s, want it to end with %s", got, tt.want)
				}
				a.rest()
			})
		})
	}
}
