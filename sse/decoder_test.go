package sse_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

func TestDecodeFields(t *testing.T) {
	stream := "id: 7\nevent: tick\nretry: 250\n: one\n:two\ndata: a\ndata:  b\n\n" +
		"data: x\n\n" +
		"id\ndata\n\n"
	want := []sse.Event{
		{Event: "tick", ID: "7", HasID: true, LastEventID: "7", Data: []byte("a\n b"),
			Retry: 250 * time.Millisecond, HasRetry: true, Comment: "one\ntwo"},
		{LastEventID: "7", Data: []byte("x")},
		{HasID: true, Data: []byte{}},
	}
	d := sse.NewDecoder(strings.NewReader(stream))
	for i, want := range want {
		got, err := d.Decode()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("event %d: Decode() = %#v, %v; want %#v, nil", i, got, err, want)
		}
	}
	if got, err := d.Decode(); err != io.EOF {
		t.Errorf("Decode() = %#v, %v; want io.EOF", got, err)
	}
}

func TestDecodeBlocksWithoutData(t *testing.T) {
	// A server sends an id, a heartbeat and a retry; then the connection breaks in the
	// middle of a block.
	broken := errors.New("connection reset")
	d := sse.NewDecoder(&chunkReader{
		chunks: [][]byte{[]byte("id: 41\n\n:\n\nretry: 3000\n\ndata: unfinished\nid: 42\nretry: 4000\n")},
		end:    broken,
	})
	var comments []string
	d.OnComment = func(text string) { comments = append(comments, text) }
	ev, err := d.Decode()
	if !errors.Is(err, broken) {
		t.Fatalf("Decode() = %#v, %v; want %v", ev, err, broken)
	}
	if got := d.LastEventID(); got != "41" {
		t.Errorf("LastEventID() = %q, want 41: the block with 42 has no end", got)
	}
	if got, ok := d.Retry(); got != 4*time.Second || !ok {
		t.Errorf("Retry() = %v, %v; want 4s, true: retry counts at once", got, ok)
	}
	if len(comments) != 1 || comments[0] != "" {
		t.Errorf("comments %q, want one empty one", comments)
	}
}

func TestDecoderOnComment(t *testing.T) {
	d := sse.NewDecoder(&chunkReader{chunks: [][]byte{[]byte(": beat\r")}, end: errSilent})
	var comments []string
	d.OnComment = func(text string) { comments = append(comments, text) }
	if _, err := d.Decode(); !errors.Is(err, errSilent) {
		t.Fatalf("Decode() = %v, want %v", err, errSilent)
	}
	if len(comments) != 1 || comments[0] != "beat" {
		t.Errorf("comments %q before a blank line has arrived, want one", comments)
	}
}

func TestDecodeReadsOnlyWithoutWholeLine(t *testing.T) {
	d := sse.NewDecoder(&chunkReader{
		chunks: [][]byte{[]byte("data: a\n\ndata: b\n\ndata: c")},
		end:    errSilent,
	})
	for _, want := range []string{"a", "b"} {
		if ev, err := d.Decode(); err != nil || string(ev.Data) != want {
			t.Errorf("Decode() = %q, %v; want %q without another read", ev.Data, err, want)
		}
	}
}

func TestDecodeReaderErrors(t *testing.T) {
	const stream = "id: 1\ndata: a\n\ndata: b\n\n"
	broken := errors.New("connection reset")
	tests := []struct {
		name string
		r    io.Reader
		want error
	}{
		{"the end is io.EOF itself", strings.NewReader(stream), io.EOF},
		{"an end that comes with the last bytes", iotest.DataErrReader(strings.NewReader(stream)), io.EOF},
		{"one byte a read", iotest.OneByteReader(strings.NewReader(stream)), io.EOF},
		{"a broken connection", io.MultiReader(strings.NewReader(stream), iotest.ErrReader(broken)), broken},
		{"a body that was cut", io.MultiReader(strings.NewReader(stream), iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF},
		{"a reader that makes no progress", io.MultiReader(strings.NewReader(stream), idle{}), io.ErrNoProgress},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := sse.NewDecoder(tt.r)
			for _, want := range []string{"a", "b"} {
				if ev, err := d.Decode(); err != nil || string(ev.Data) != want {
					t.Fatalf("Decode() = %q, %v; want %q, nil", ev.Data, err, want)
				}
			}
			for range 2 {
				ev, err := d.Decode()
				if !errors.Is(err, tt.want) || (tt.want == io.EOF) != (err == io.EOF) {
					t.Errorf("Decode() = %q, %v; want %v", ev.Data, err, tt.want)
				}
				if err != io.EOF && !strings.HasPrefix(err.Error(), "sse: read: ") {
					t.Errorf("the error reads %q, want it to name the room", err)
				}
			}
			if got := d.LastEventID(); got != "1" {
				t.Errorf("LastEventID() = %q, want 1", got)
			}
		})
	}
}

// idle is a reader that returns no bytes and no error.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestDecoderReset(t *testing.T) {
	first := "\uFEFFid: 8\nretry: 100\ndata: a\n\nid: 9\ndata: " + strings.Repeat("half a line", 10_000)
	d := sse.NewDecoder(strings.NewReader(first))
	d.SetLastEventID("7")
	if got := d.LastEventID(); got != "7" {
		t.Errorf("LastEventID() = %q before the first event, want 7", got)
	}
	if ev, err := d.Decode(); err != nil || ev.LastEventID != "8" {
		t.Fatalf("Decode() = %#v, %v; want last event id 8", ev, err)
	}
	if _, err := d.Decode(); err != io.EOF {
		t.Fatalf("Decode() = %v, want io.EOF", err)
	}

	d.Reset(strings.NewReader("\uFEFFdata: b\n\n"))
	ev, err := d.Decode()
	want := sse.Event{LastEventID: "8", Data: []byte("b")}
	if err != nil || !reflect.DeepEqual(ev, want) {
		t.Errorf("Decode() = %#v, %v; want %#v, nil", ev, err, want)
	}
	if retry, ok := d.Retry(); retry != 100*time.Millisecond || !ok {
		t.Errorf("Retry() = %v, %v; want 100ms, true", retry, ok)
	}
}

func TestEventClone(t *testing.T) {
	d := sse.NewDecoder(strings.NewReader("data: aaaa\n\ndata: bbbb\n\n"))
	first, err := d.Decode()
	if err != nil {
		t.Fatal(err)
	}
	clone := first.Clone()
	if _, err := d.Decode(); err != nil {
		t.Fatal(err)
	}
	if string(clone.Data) != "aaaa" {
		t.Errorf("the clone's data became %q, want aaaa", clone.Data)
	}
}

func TestDecodeIDsAndNamesStayValid(t *testing.T) {
	var stream strings.Builder
	for i := range 1000 {
		name := strings.Repeat(string(rune('a'+i%26)), 1+i%200)
		stream.WriteString("id: " + name + "!\nevent: " + name + "\n: " + name + "\ndata\n\n")
	}
	d := sse.NewDecoder(strings.NewReader(stream.String()))
	var events []sse.Event
	for ev, err := range d.Events() {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, ev)
	}
	if len(events) != 1000 {
		t.Fatalf("%d events, want 1000", len(events))
	}
	for i, ev := range events {
		name := strings.Repeat(string(rune('a'+i%26)), 1+i%200)
		if ev.Event != name || ev.Comment != name || ev.ID != name+"!" || ev.LastEventID != ev.ID {
			t.Fatalf("event %d became %#v", i, ev)
		}
	}
}

func TestDecoderEventsAfterBreak(t *testing.T) {
	d := sse.NewDecoder(strings.NewReader("data: a\n\ndata: b\n\ndata: c\n\n"))
	var got []string
	for range 2 {
		for ev, err := range d.Events() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(ev.Data))
			if len(got) == 1 {
				break
			}
		}
	}
	if s := strings.Join(got, " "); s != "a b c" {
		t.Errorf("events %q, want a b c", s)
	}
}

func TestDecoderEventsReaderError(t *testing.T) {
	d := sse.NewDecoder(&chunkReader{chunks: [][]byte{[]byte("data: a\n\n")}, end: errSilent})
	var errs []error
	n := 0
	for _, err := range d.Events() {
		if err != nil {
			errs = append(errs, err)
		}
		n++
	}
	if n != 2 || len(errs) != 1 || !errors.Is(errs[0], errSilent) {
		t.Errorf("%d yields with the errors %v, want an event and then %v", n, errs, errSilent)
	}
}

func TestDecodeHugeRetry(t *testing.T) {
	for _, digits := range []string{"9223372036855", "18446744073709551616", strings.Repeat("9", 500)} {
		d := sse.NewDecoder(strings.NewReader("retry: " + digits + "\ndata\n\n"))
		ev, err := d.Decode()
		if err != nil || !ev.HasRetry || ev.Retry != 9223372036854*time.Millisecond {
			t.Errorf("retry %.30s: %v, %v, %v; want the longest duration in milliseconds", digits, ev.Retry, ev.HasRetry, err)
		}
	}
}

func TestMaxEventSize(t *testing.T) {
	const limit = 100
	text := func(n int) string { return strings.Repeat("x", n) }
	tests := []struct {
		name, block string
		fits        bool
	}{
		{"data of exactly the limit", "data: " + text(100) + "\n", true},
		{"data of one byte more", "data: " + text(101) + "\n", false},
		{"lines of exactly the limit together", "data: " + text(50) + "\ndata:" + text(49) + "\n", true},
		{"the line feed between lines counts", "data: " + text(50) + "\ndata:" + text(50) + "\n", false},
		{"many empty lines", strings.Repeat("data\n", 101), true},
		{"one empty line too many", strings.Repeat("data\n", 102), false},
		{"a comment counts", ":" + text(50) + "\ndata: " + text(50) + "\n", true},
		{"a comment counts against the data", ":" + text(50) + "\ndata: " + text(51) + "\n", false},
		{"the data counts against a comment", "data: " + text(50) + "\n:" + text(51) + "\n", false},
		{"an id and a name have limits of their own", "id: " + text(100) + "\nevent: " + text(100) + "\ndata: " + text(100) + "\n", true},
		{"an id that is too long", "id: " + text(101) + "\ndata\n", false},
		{"a name that is too long", "event: " + text(101) + "\ndata\n", false},
		{"a name that is too long, replaced by one that fits", "event: " + text(101) + "\nevent: e\ndata\n", false},
		{"repaired text counts after the repair", "data: " + strings.Repeat("\xff", 33) + "\n", true},
		{"text that is too long after the repair", "data: " + strings.Repeat("\xff", 34) + "\n", false},
		{"a block without data", ": " + text(101) + "\n", false},
		{"lines without a meaning do not count", text(200_000) + "\ndatax: " + text(200_000) + "\ndata\n", true},
		{"a very long line", "data: " + text(200_000) + "\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream := "id: before\ndata: before\n\n" + tt.block + "id: own\nretry: 5\n\ndata: after\n\n"
			d := sse.NewDecoder(strings.NewReader(stream))
			d.MaxEventSize = limit
			if ev, err := d.Decode(); err != nil || string(ev.Data) != "before" {
				t.Fatalf("Decode() = %#v, %v; want the event before", ev, err)
			}
			ev, err := d.Decode()
			if tooLarge, ok := errors.AsType[*sse.EventTooLargeError](err); ok == tt.fits {
				t.Fatalf("Decode() = %#v, %v; want it to fit: %v", ev, err, tt.fits)
			} else if ok && tooLarge.Limit != limit {
				t.Errorf("the limit in the error is %d, want %d", tooLarge.Limit, limit)
			}
			ev, err = d.Decode()
			if err != nil || string(ev.Data) != "after" || ev.Event != "" || ev.HasID || ev.HasRetry || ev.Comment != "" {
				t.Errorf("Decode() = %#v, %v; want the event after, and nothing of the one before", ev, err)
			}
			if ev.LastEventID != "own" {
				t.Errorf("LastEventID = %q, want own: an event that was dropped must not be asked for again", ev.LastEventID)
			}
			if _, ok := d.Retry(); !ok {
				t.Error("the retry of the block did not count")
			}
		})
	}
}

func TestMaxEventSizeReportedBeforeLineEnd(t *testing.T) {
	d := sse.NewDecoder(io.MultiReader(
		strings.NewReader("id: 5\nevent: big\ndata: "),
		strings.NewReader(strings.Repeat("x", sse.DefaultMaxEventSize+64<<10)),
		iotest.ErrReader(errSilent),
	))
	_, err := d.Decode()
	tooLarge, ok := errors.AsType[*sse.EventTooLargeError](err)
	if !ok || !strings.HasPrefix(err.Error(), "sse: event too large: more than 1048576 bytes (name \"big\", id \"5\"); ") || *tooLarge != (sse.EventTooLargeError{Limit: sse.DefaultMaxEventSize, Event: "big", ID: "5"}) {
		t.Fatalf("Decode() = %v, want an EventTooLargeError for big, 5", err)
	}
	if _, err := d.Decode(); !errors.Is(err, errSilent) {
		t.Errorf("Decode() = %v, want %v: one event is reported once", err, errSilent)
	}
	if got := d.LastEventID(); got != "" {
		t.Errorf("LastEventID() = %q, want none: the block has no end yet", got)
	}
}

func TestOnCommentInDroppedBlock(t *testing.T) {
	d := sse.NewDecoder(strings.NewReader("data: 12345\n: beat\n: too long\n\ndata: 1\n\n"))
	d.MaxEventSize = 4
	var comments []string
	d.OnComment = func(text string) { comments = append(comments, text) }
	var got []string
	for ev, err := range d.Events() {
		if err != nil {
			got = append(got, "error")
			continue
		}
		got = append(got, string(ev.Data))
	}
	if s := strings.Join(got, " "); s != "error 1" {
		t.Errorf("events %q, want error 1", s)
	}
	if len(comments) != 1 || comments[0] != "beat" {
		t.Errorf("comments %q, want beat", comments)
	}
}

// repeat is a reader that returns the same text n times.
type repeat struct {
	text string
	n    int
	rest string
}

func (r *repeat) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if r.rest == "" {
			if r.n == 0 {
				break
			}
			r.n--
			r.rest = r.text
		}
		c := copy(p[n:], r.rest)
		n += c
		r.rest = r.rest[c:]
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func TestDecoderMemoryIsBounded(t *testing.T) {
	const limit = 64 << 10
	kib := strings.Repeat("x", 1<<10)
	tests := []struct{ name, head, again string }{
		{"an endless field name", "", kib},
		{"an endless name that begins like a field", "data", kib},
		{"an endless data line", "data: ", kib},
		{"an endless comment", ":", kib},
		{"an endless id", "id: ", kib},
		{"an endless event name", "event: ", kib},
		{"an endless retry", "retry: ", strings.Repeat("0", 1<<10)},
		{"endless invalid text", "data: ", strings.Repeat("\xff", 1<<10)},
		{"endless lines of data", "", "data: " + kib + "\n"},
		{"endless empty lines of data", "", "data\n"},
		{"endless empty comments", "", ":\n"},
		{"endless comments", "", ": " + kib + "\n"},
		{"endless ids", "", "id: " + kib + "\n"},
		{"endless short ids and comments", "", "id: 1234567\n: text\n\nid: 7654321\n: text\n\n"},
		{"endless names", "", "event: " + kib + "\n"},
		{"endless blocks of all kinds", "", "id: " + kib + "\n\nevent: " + kib + "\ndata\n\n:" + kib + "\n\nretry: 1\n\n"},
		{"endless blank lines", "", "\r\n\n\r"},
		{"endless lines of invalid text", "", "data: " + strings.Repeat("\xf0\x9f", 1<<9) + "\n"},
		{"endless events that are too large", "", "data: " + strings.Repeat(kib, 100) + "\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := sse.NewDecoder(io.MultiReader(
				strings.NewReader(tt.head),
				&repeat{text: tt.again, n: 2 << 20 / len(tt.again)},
			))
			d.MaxEventSize = limit
			most := 0
			for _, err := range d.Events() {
				if _, ok := errors.AsType[*sse.EventTooLargeError](err); err != nil && !ok {
					t.Fatal(err)
				}
				most = max(most, d.Held())
			}
			most = max(most, d.Held())
			if bound := 16*limit + 64<<10; most > bound {
				t.Errorf("held %d bytes, want at most %d", most, bound)
			}
		})
	}
}

func TestDecoderFreesMemoryAfterLargeEvent(t *testing.T) {
	d := sse.NewDecoder(io.MultiReader(
		strings.NewReader("data: "+strings.Repeat("x", 900<<10)+"\n\n"),
		strings.NewReader("data: small\n\ndata: small\n\ndata: small\n\n"),
	))
	for range 4 {
		if _, err := d.Decode(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Decode(); err != io.EOF {
		t.Fatal(err)
	}
	if held := d.Held(); held > 200<<10 {
		t.Errorf("held %d bytes after small events, want what small events need", held)
	}
}

func TestDecoderMemoryOfSilentStream(t *testing.T) {
	d := sse.NewDecoder(strings.NewReader("id: 1\ndata: small\n\n"))
	if _, err := d.Decode(); err != nil {
		t.Fatal(err)
	}
	if held := d.Held(); held > 1<<10 {
		t.Errorf("held %d bytes, want at most 1 KiB", held)
	}
}

func TestDecoderFreesMemoryAfterBurst(t *testing.T) {
	const burst, heartbeats = 5000, 40
	beats := strings.Repeat(":\n\n", heartbeats)
	// The buffer also shrinks while it holds the beginning of a line.
	d := sse.NewDecoder(io.MultiReader(
		strings.NewReader(strings.Repeat("id: 12\nevent: tick\ndata: some text\n\n", burst)+"data: to"),
		iotest.OneByteReader(strings.NewReader("gether\n"+beats)),
		strings.NewReader("data: last\n\n"),
	))
	for n := range burst + 2 {
		ev, err := d.Decode()
		want := "some text"
		switch n {
		case burst:
			want = "together"
		case burst + 1:
			want = "last"
		}
		if err != nil || string(ev.Data) != want {
			t.Fatalf("event %d: %q, %v; want %q", n, ev.Data, err, want)
		}
		if n == burst-1 && d.Held() < 16<<10 {
			t.Errorf("held %d bytes in the burst, want a large buffer", d.Held())
		}
	}
	if held := d.Held(); held > 2<<10 {
		t.Errorf("held %d bytes after %d heartbeats, want at most 2 KiB", held, heartbeats)
	}
}

func TestDecodeDataIsNeverNil(t *testing.T) {
	d := sse.NewDecoder(strings.NewReader("data\n\n"))
	if ev, err := d.Decode(); err != nil || ev.Data == nil {
		t.Errorf("Decode() = %#v, %v; want empty data that is not nil", ev, err)
	}
}

func TestDecodeLongLines(t *testing.T) {
	// Characters of three bytes, so that the read buffer ends inside one.
	long := strings.Repeat("€", 50_000)
	stream := []byte("id: 1\r\ndata: " + long + "\r\ndata: " + long + "\r\n\r\ndata: after\r\n\r\n")
	for _, n := range []int{1, 4095, 4096, 65535, 65536, 65537, len(stream)} {
		var chunks [][]byte
		for rest := stream; len(rest) > 0; {
			c := min(n, len(rest))
			chunks, rest = append(chunks, rest[:c]), rest[c:]
		}
		d := sse.NewDecoder(&chunkReader{chunks: chunks})
		ev, err := d.Decode()
		if err != nil || !bytes.Equal(ev.Data, []byte(long+"\n"+long)) {
			t.Fatalf("chunks of %d: %d bytes, %v; want %d", n, len(ev.Data), err, 2*len(long)+1)
		}
		if ev, err := d.Decode(); err != nil || string(ev.Data) != "after" {
			t.Errorf("chunks of %d: Decode() = %q, %v; want after", n, ev.Data, err)
		}
	}
}

func TestZeroDecoder(t *testing.T) {
	d := sse.Decoder{MaxEventSize: 8}
	if _, err := d.Decode(); err == nil || !strings.Contains(err.Error(), "no reader") {
		t.Errorf("Decode() without a reader = %v, want an error that says so", err)
	}
	d.Reset(strings.NewReader("data:\n\ndata: x\n\n"))
	for _, want := range []string{"", "x"} {
		if ev, err := d.Decode(); err != nil || ev.Data == nil || string(ev.Data) != want {
			t.Errorf("Decode() after Reset = %#v, %v; want data %q that is not nil", ev, err, want)
		}
	}
}
