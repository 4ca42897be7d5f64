package client

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fluxwire-go/fluxwire/sse"
)

// A move is a sealed interface, which one case implements only with its pointer.
type move interface{ isMove() }

type walk struct {
	By   int
	Tags []string
}

func (walk) isMove() {}

type jump struct{ High bool }

func (*jump) isMove() {}

const moves = "id: 1\nevent: step\n: first\ndata: {\"By\":1,\"Tags\":[\"a\"]}\n\n" +
	"event: jump\ndata: {\"High\":true}\n\n" +
	"id: 3\nevent: step\ndata: {\"Tags\":[\"b\"]}\n\n" +
	"event: jump\ndata: {}\n\n"

func TestTypes(t *testing.T) {
	types := Types(Type[walk]("step"), Type[*jump]("jump"))
	want := []sse.ServerSentEvent[move]{
		{ID: "1", Event: "step", Comment: "first", Data: walk{1, []string{"a"}}},
		{Event: "jump", Data: &jump{true}},
		{ID: "3", Event: "step", Data: walk{0, []string{"b"}}},
		{Event: "jump", Data: &jump{}},
	}
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends(moves), sends(moves), sends(moves), sends(moves), sends(moves))
		opts := []Option{HTTPClient(s.HTTP), NoReconnect(), types}
		var follow, subscribe, observe []sse.ServerSentEvent[move]
		var values []move
		for ev, err := range Follow[move](t.Context(), host, opts...) {
			if err != nil {
				t.Error(err)
			}
			follow = append(follow, ev)
		}
		for v, err := range Values[move](t.Context(), host, opts...) {
			if err != nil {
				t.Error(err)
			}
			values = append(values, v)
		}
		if err := Subscribe(t.Context(), host, func(ev sse.ServerSentEvent[move]) { subscribe = append(subscribe, ev) }, nil, nil, opts...).Wait(); err != nil {
			t.Error(err)
		}
		err := Observe[move](host, opts...).Run(t.Context(), func(ev sse.ServerSentEvent[move]) bool { observe = append(observe, ev); return true })
		if err != nil {
			t.Error(err)
		}
		// Compared at the end, so that a value shared between events would show.
		for call, got := range map[string][]sse.ServerSentEvent[move]{"Follow": follow, "Subscribe": subscribe, "Observe": observe} {
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s gives %+v, want %+v", call, got, want)
			}
		}
		if want := []move{want[0].Data, want[1].Data, want[2].Data, want[3].Data}; !reflect.DeepEqual(values, want) {
			t.Errorf("Values gives %+v, want %+v", values, want)
		}
		var anything []any
		for v, err := range Values[any](t.Context(), host, opts...) {
			if err != nil {
				t.Error(err)
			}
			anything = append(anything, v)
		}
		if want := []any{want[0].Data, want[1].Data, want[2].Data, want[3].Data}; !reflect.DeepEqual(anything, want) {
			t.Errorf("Values[any] gives %+v, want %+v", anything, want)
		}
	})
}

func TestTypesUnnamedIsMessage(t *testing.T) {
	const body = "data: a\n\nevent: message\ndata: b\n\nevent:\ndata: c\n\nevent: Message\ndata: d\n\nevent: other\ndata: e\n\n"
	for _, name := range []string{"", "message"} {
		synctest.Test(t, func(t *testing.T) {
			s := newScript(t, sends(body))
			var got []string
			for ev, err := range Follow[any](t.Context(), host, HTTPClient(s.HTTP), NoReconnect(), Types(Type[string](name))) {
				if err != nil {
					t.Error(err)
				}
				got = append(got, fmt.Sprintf("%s=%v", ev.Event, ev.Data))
			}
			// The event's name is as it was sent.
			if want := []string{"=a", "message=b", "=c"}; !slices.Equal(got, want) {
				t.Errorf("Type(%q): %q, want %q", name, got, want)
			}
		})
	}
}

func TestTypesKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("event: text\ndata: \"x\"\n\nevent: bytes\ndata: y\n\nevent: bytes\ndata: z\n\nevent: number\ndata: 7\n\n"+
			"event: any\ndata: null\n\nevent: any\ndata: [1]\n\nevent: pointer\ndata: null\n\n"))
		var got []any
		for v, err := range Values[any](t.Context(), host, HTTPClient(s.HTTP), NoReconnect(),
			Types(Type[string]("text"), Type[[]byte]("bytes"), Type[int]("number"), Type[any]("any"), Type[*jump]("pointer"))) {
			if err != nil {
				t.Error(err)
			}
			got = append(got, v)
		}
		if want := []any{`"x"`, []byte("y"), []byte("z"), 7, nil, []any{1.0}, (*jump)(nil)}; !reflect.DeepEqual(got, want) {
			t.Errorf("values %#v, want %#v", got, want)
		}
	})
}

func TestTypesAfterReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("id: 1\nevent: text\ndata: a\n\nid: 2\nevent: new\ndata: b\n\n"), sends("event: text\ndata: c\n\n"))
		var got []any
		for v, err := range Values[any](t.Context(), host, HTTPClient(s.HTTP), Types(Type[string]("text"))) {
			if err != nil {
				t.Error(err)
			}
			got = append(got, v)
		}
		if want := []any{"a", "c"}; !slices.Equal(got, want) {
			t.Errorf("values %q, want %q", got, want)
		}
		if got, want := s.header("Last-Event-ID"), []string{"", "2", "2"}; !slices.Equal(got, want) {
			t.Errorf("Last-Event-ID was %q, want %q: the id of a skipped event counts", got, want)
		}
	})
}

func TestTypesOptionErrors(t *testing.T) {
	fails := func(name, want string, run func(...Option) error, opts ...Option) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s := newScript(t, sends("data: x\n\n"))
			if err := run(append(opts, HTTPClient(s.HTTP), NoReconnect())...); errText(err) != want {
				t.Errorf("%s: %q, want %q", name, errText(err), want)
			}
			if n := len(s.sofar()); want != "" && n != 0 {
				t.Errorf("%s: %d requests were made", name, n)
			}
		})
	}
	ofMoves, ofAny := endOf[move], endOf[any]
	text := Type[string]("text")
	fails("no case", "client: option Types: there is no case: give one Type for each event name", ofAny, Types())
	fails("an empty case", "client: option Types: case 2 is empty: make it with Type", ofAny, Types(text, Case{}, Type[int]("")))
	fails("a name twice", `client: option Types: two cases are named "text" (the name "" means "message")`, ofAny, Types(text, Type[int]("text")))
	fails("both names of the unnamed", `client: option Types: two cases are named "message" (the name "" means "message")`, ofAny, Types(Type[int](""), Type[int]("message")))
	fails("a T that is not an interface", "client: option Types: string is not an interface: range over any, or over an interface that every case implements", endOf[string], Types(text))
	fails("types that do not fit", "client: option Types: case \"text\": string does not implement client.move\n"+
		"client: option Types: case \"message\": client.jump does not implement client.move, its pointer does: write Type[*client.jump]",
		ofMoves, Types(text, Type[walk]("step"), Type[jump]("")))
	fails("an interface that promises too little", `client: option Types: case "text": interface {} does not implement client.move`, ofMoves, Types(Type[any]("text")))
	fails("a control event", `client: option Types: case "stream.gap": the client handles control events and does not yield them: remove the case, or use Gaps or Strict`, ofAny, Types(Type[string]("stream.gap")))
	fails("a control event with Strict", "", ofAny, Strict(), Types(Type[string]("stream.gap"), Type[string]("")))
	fails("faults of both sorts", "client: option MaxEvent: 0 is not a valid value\nclient: option Types: case \"text\": string does not implement client.move", ofMoves, Types(text), MaxEvent(0))
	fails("the later Types counts", "", ofMoves, Types(text), Types(Type[walk]("step")))
}

// endOf returns how a stream of Ts ends, and fails if the calls differ.
func endOf[T any](opts ...Option) error {
	ctx := context.Background()
	var follow error
	for _, err := range Follow[T](ctx, host, opts...) {
		follow = err
	}
	if follow == nil {
		return nil
	}
	subscribe := Subscribe(ctx, host, func(sse.ServerSentEvent[T]) {}, nil, nil, opts...).Wait()
	observe := Observe[T](host, opts...).Run(ctx, func(sse.ServerSentEvent[T]) bool { return true })
	if errText(subscribe) != errText(follow) || errText(observe) != errText(follow) {
		return fmt.Errorf("Follow says %v, Subscribe %v, Observe %v", follow, subscribe, observe)
	}
	return follow
}

func TestOnceIgnoresTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, answer(200, "7"))
		if v, err := Once[int](t.Context(), host, HTTPClient(s.HTTP), Types(Type[string]("text")), Sentinel("x"), Gaps(ReactionEnd), UnknownEvents(ReactionEnd)); v != 7 || err != nil {
			t.Errorf("Once = %v, %v", v, err)
		}
	})
}

// happened returns all that a stream did, in order: events, errors, and its end.
func happened[T any](t *testing.T, s *script, opts ...Option) map[string][]string {
	opts = append([]Option{HTTPClient(s.HTTP), NoReconnect()}, opts...)
	var follow, values, subscribe, observe []string
	for ev, err := range Follow[T](t.Context(), host, opts...) {
		if err != nil {
			follow = append(follow, err.Error())
			continue
		}
		follow = append(follow, fmt.Sprint(ev.Data))
	}
	for v, err := range Values[T](t.Context(), host, opts...) {
		if err != nil {
			values = append(values, err.Error())
			continue
		}
		values = append(values, fmt.Sprint(v))
	}
	next := func(ev sse.ServerSentEvent[T]) { subscribe = append(subscribe, fmt.Sprint(ev.Data)) }
	Subscribe(t.Context(), host, next, func(err error) { subscribe = append(subscribe, err.Error()) }, nil, opts...).Wait()
	err := Observe[T](host, opts...).Run(t.Context(), func(ev sse.ServerSentEvent[T]) bool {
		observe = append(observe, fmt.Sprint(ev.Data))
		return true
	})
	if err != nil {
		observe = append(observe, err.Error())
	}
	return map[string][]string{"Follow": follow, "Values": values, "Subscribe": subscribe, "Observe": observe}
}

func TestUnknownEvents(t *testing.T) {
	const body = "event: text\ndata: a\n\nid: 7\nevent: new\ndata: {\ndata: }\n\ndata: b\n\nevent: text\ndata: c\n\n"
	const named, unnamed = `client: unknown event: no case is named "new" (id "7"): { }`, `client: unknown event: no case is named "message" (id ""): b`
	for _, tt := range []struct {
		name          string
		opts          []Option
		want, observe []string
		logged        string
	}{
		{"are skipped by default", nil, []string{"a", "c"}, nil, "DEBUG"},
		{"are skipped", []Option{UnknownEvents(ReactionSkip)}, []string{"a", "c"}, nil, "DEBUG"},
		{"surface", []Option{UnknownEvents(ReactionSurface)}, []string{"a", named, unnamed, "c"}, []string{"a", "c"}, ""},
		{"end the stream", []Option{UnknownEvents(ReactionEnd)}, []string{"a", named}, nil, ""},
		{"are not decode errors", []Option{UnknownEvents(ReactionEnd), DecodeErrors(ReactionSkip)}, []string{"a", named}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t, sends(body), sends(body), sends(body), sends(body))
				for call, got := range happened[any](t, s, append(tt.opts, Types(Type[string]("text")))...) {
					want := tt.want
					if call == "Observe" && tt.observe != nil { // it skips what would surface
						want = tt.observe
					}
					if !slices.Equal(got, want) {
						t.Errorf("%s: %q, want %q", call, got, want)
					}
				}
				var log bytes.Buffer
				s.steps = append(s.steps, sends(body))
				logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				for range Follow[any](t.Context(), host+"?token=hidden", append(tt.opts, Types(Type[string]("text")), HTTPClient(s.HTTP), NoReconnect(), Logger(logger))...) {
				}
				line := `level=DEBUG msg="unknown event skipped" url=http://host.test id=7 event=new`
				if got := strings.Contains(log.String(), line); got != (tt.logged != "") {
					t.Errorf("logged is %v:\n%s", got, &log)
				}
			})
		})
	}
}

func TestUnknownEventErrorData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("id: 1\nevent: new\ndata: aaaa\n\nevent: newer\ndata: bbbb\n\n"))
		var got []*UnknownEventError
		for ev, err := range Follow[any](t.Context(), host, HTTPClient(s.HTTP), NoReconnect(), Types(Type[string]("")), UnknownEvents(ReactionSurface)) {
			e, ok := errors.AsType[*UnknownEventError](err)
			if !ok || !reflect.DeepEqual(ev, sse.ServerSentEvent[any]{}) {
				t.Fatalf("yielded %+v, %v; want a zero event and an *UnknownEventError", ev, err)
			}
			got = append(got, e)
		}
		if want := []*UnknownEventError{{"1", "new", []byte("aaaa")}, {"", "newer", []byte("bbbb")}}; !reflect.DeepEqual(got, want) {
			t.Errorf("errors %v, want %v", got, want)
		}
	})
}

func TestUnknownEventsWithoutTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("event: new\ndata: x\n\n"))
		data, err := collect(t.Context(), s, UnknownEvents(ReactionEnd), NoReconnect())
		if err != nil || !slices.Equal(data, []string{"x"}) {
			t.Errorf("got %q, %v; want [x]: without Types every name is known", data, err)
		}
	})
}

func TestTypesDecodeErrors(t *testing.T) {
	const body = "event: number\ndata: 1\n\nid: 2\nevent: number\ndata: x\n\nevent: number\ndata: 3\n\n"
	const bad = `client: decode: event (id "2", name "number"): sse: data: invalid character 'x' looking for beginning of value: x`
	for reaction, want := range map[Reaction][]string{
		ReactionEnd:     {"1", bad},
		ReactionSurface: {"1", bad, "3"},
		ReactionSkip:    {"1", "3"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newScript(t, sends(body), sends(body), sends(body), sends(body))
			for call, got := range happened[any](t, s, Types(Type[int]("number")), DecodeErrors(reaction)) {
				want := want
				if call == "Observe" && reaction == ReactionSurface {
					want = []string{"1", "3"}
				}
				if !slices.Equal(got, want) {
					t.Errorf("reaction %d, %s: %q, want %q", reaction, call, got, want)
				}
			}
		})
	}
}

// inXML is a codec for data in XML.
type inXML struct{}

func (inXML) AppendData(dst []byte, v any) ([]byte, error) {
	p, err := xml.Marshal(v)
	return append(dst, p...), err
}
func (inXML) DecodeData(data []byte, v any) error { return xml.Unmarshal(data, v) }
func (inXML) IsText(any) bool                     { return true }

func TestTypesXML(t *testing.T) {
	type price struct {
		Pair string  `xml:"pair,attr"`
		Rate float64 `xml:",chardata"`
	}
	type halt struct {
		Why string `xml:"why"`
	}
	const first, bad = "event: price\ndata: <price pair=\"EUR/USD\">1.08</price>\n\n", "event: price\ndata: <price\n\n"
	const body = first + "event: halt\ndata: <halt>\ndata: <why>lunch</why></halt>\n\n" + bad
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends(first+bad), sends(body))
		var prices []price
		var end error
		for v, err := range Values[price](t.Context(), host, HTTPClient(s.HTTP), Codec(inXML{}), NoReconnect()) {
			if err != nil {
				end = err
				continue
			}
			prices = append(prices, v)
		}
		if _, ok := errors.AsType[*xml.SyntaxError](end); !ok || !isDecodeError(end) || !slices.Equal(prices, []price{{"EUR/USD", 1.08}}) {
			t.Errorf("prices %v, then %v; want one and a *DecodeError of XML", prices, end)
		}
		var all []any
		for v, err := range Values[any](t.Context(), host, HTTPClient(s.HTTP), Codec(inXML{}), NoReconnect(),
			Types(Type[price]("price"), Type[*halt]("halt")), DecodeErrors(ReactionSkip)) {
			if err != nil {
				t.Error(err)
			}
			all = append(all, v)
		}
		if want := []any{price{"EUR/USD", 1.08}, &halt{"lunch"}}; !reflect.DeepEqual(all, want) {
			t.Errorf("values %+v, want %+v", all, want)
		}
	})
}

// Types adds one allocation for the interface value. A skipped event and the check for a
// sentinel do not allocate.
func TestAllocsPerEvent(t *testing.T) {
	type point struct{ X, Y int }
	data, _ := json.Marshal(point{1, 2})
	handler := func(opts ...Option) func(sse.Event, error) error {
		c, err := configFor[any](t.Context(), host, opts)
		if err != nil {
			t.Fatal(err)
		}
		return typed(c, func(ev sse.ServerSentEvent[any], err error) bool { return err == nil && ev.Data == any(point{1, 2}) })
	}
	single, err := configFor[point](t.Context(), host, nil)
	if err != nil {
		t.Fatal(err)
	}
	allocs := func(handle func(sse.Event, error) error, name string) float64 {
		return testing.AllocsPerRun(500, func() {
			if err := handle(sse.Event{Event: name, Data: data}, nil); err != nil {
				t.Fatal(err)
			}
		})
	}
	one := allocs(typed(single, func(ev sse.ServerSentEvent[point], err error) bool { return err == nil && ev.Data.X == 1 }), "point")
	union := handler(Types(Type[point]("point")))
	if got := allocs(union, "point"); got > one+1 {
		t.Errorf("an event of a union allocates %v times, want at most one more than the %v of a stream of one type", got, one)
	}
	if got := allocs(union, "unknown"); got != 0 {
		t.Errorf("an unknown event that is skipped allocates %v times, want 0", got)
	}
	c, err := configFor[string](t.Context(), host, []Option{Sentinel("[DONE]")})
	if err != nil {
		t.Fatal(err)
	}
	ev := sse.Event{Data: []byte(kilobyte)}
	if got := testing.AllocsPerRun(500, func() {
		if c.isSentinel(ev) {
			t.Error("a kilobyte is taken for [DONE]")
		}
	}); got != 0 {
		t.Errorf("looking for a sentinel allocates %v times, want 0", got)
	}
}
