package sse_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fluxwire-go/fluxwire/sse"
)

// read reads a whole stream, split into chunks of the given sizes. The sizes repeat.
func read(t *testing.T, stream, sizes []byte, limit int) reading {
	t.Helper()
	var chunks [][]byte
	for i, rest := 0, stream; len(rest) > 0; i++ {
		n := len(rest)
		if len(sizes) > 0 {
			n = min(n, 1+int(sizes[i%len(sizes)]))
		}
		chunks = append(chunks, rest[:n])
		rest = rest[n:]
	}
	var out reading
	d := sse.NewDecoder(&chunkReader{chunks: chunks})
	d.MaxEventSize = limit
	d.OnComment = func(text string) { out.comments = append(out.comments, text) }
	for ev, err := range d.Events() {
		if tooLarge, ok := errors.AsType[*sse.EventTooLargeError](err); ok {
			if tooLarge.Limit != limit {
				t.Fatalf("EventTooLargeError.Limit = %d, want %d", tooLarge.Limit, limit)
			}
			out.tooLarge++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(ev.Data) || !utf8.ValidString(ev.ID+ev.Event+ev.Comment) {
			t.Fatalf("Decode() = %#v: not UTF-8", ev)
		}
		out.events = append(out.events, ev.Clone())
	}
	if _, err := d.Decode(); err != io.EOF {
		t.Fatalf("Decode() after the end = %v, want io.EOF", err)
	}
	if held, bound := d.Held(), 16*limit+72<<10; held > bound {
		t.Fatalf("held %d bytes with limit %d, want at most %d", held, limit, bound)
	}
	out.lastID = d.LastEventID()
	out.retry, out.hasRetry = d.Retry()
	return out
}

// addStreams adds streams of all kinds to a corpus.
func addStreams(f *testing.F, add func(stream []byte)) {
	f.Helper()
	raw, err := os.ReadFile("testdata/conformance.json")
	if err != nil {
		f.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(raw, &file); err != nil {
		f.Fatal(err)
	}
	for _, v := range file.Vectors {
		if b, err := base64.StdEncoding.DecodeString(v.InputB64); err == nil && len(b) > 0 {
			add(b)
		}
	}
	for _, s := range []string{
		"data: a\r\r\n\ndata\n\r",
		"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\n",
		"data: \xf0\x9f\x92\ndata: \xe2\x82\n\n: \xff\xfe\n\n",
		"id: 1\n\nid\x00: 2\n\nid: 3\x00\ndata\n\nid: unfinished",
		"retry: 184467440737095516150\n\nretry: 9223372036854\ndata\n\n",
		":\n:\n:\ndata: c\n\n",
		strings.Repeat("data:\n", 20) + "\n" + "data: after\n\n",
		": " + strings.Repeat("c", 40) + "\ndata: x\n\ndata: y\n\n",
		"event: " + strings.Repeat("n", 40) + "\ndata: x\n\nid: " + strings.Repeat("i", 40) + "\n\ndata: y\n\n",
	} {
		add([]byte(s))
	}
}

// FuzzDecoder compares the decoder with the reference: it must return the same events
// for any chunks, with a limit that is never reached and with a small one.
func FuzzDecoder(f *testing.F) {
	addStreams(f, func(stream []byte) {
		f.Add(stream, []byte{}, byte(16))
		f.Add(stream, []byte{0}, byte(3))
		f.Add(stream, []byte{2, 0, 6}, byte(31))
	})
	f.Fuzz(func(t *testing.T, stream, sizes []byte, small byte) {
		compare(t, stream, sizes, sse.DefaultMaxEventSize)
		compare(t, stream, sizes, 1+int(small))
	})
}

// FuzzLongLines does the same with streams in which a tilde stands for a text longer
// than the read buffer, so that buffers end inside a character.
func FuzzLongLines(f *testing.F) {
	long := bytes.Repeat([]byte("x\xf0\x9f\x92\xa9\xe2\x82"), 10_000)
	for _, stream := range []string{
		"data: ~\ndata: ~\n\n: ~\nid: ~\n\ndata: after\n\n",
		"event: ~\ndata\n\n~\nretry: ~\n\ndata: after\n\n",
		"data~\n\n~~~\r~: ~\r\n",
		"data:~\xf0\x9f\r\r~",
		":~",
	} {
		f.Add([]byte(stream), []byte{})
		f.Add([]byte(stream), []byte{0, 255})
	}
	f.Fuzz(func(t *testing.T, stream, sizes []byte) {
		stream = bytes.Replace(stream, []byte{'~'}, long, 5)
		for _, limit := range []int{sse.DefaultMaxEventSize, len(long) + len(long)/2, 10} {
			compare(t, stream, sizes, limit)
		}
	})
}

func compare(t *testing.T, stream, sizes []byte, limit int) {
	t.Helper()
	got, want := read(t, stream, sizes, limit), reference(stream, limit)
	if want.unfinished > limit && got.tooLarge == want.tooLarge+1 {
		got.tooLarge-- // the decoder may report a line as too long before it ends
	}
	want.unfinished = 0
	if !reflect.DeepEqual(got, want) {
		t.Errorf("limit %d, chunks %v: %.1000q is read as\n%.3000s, want\n%.3000s",
			limit, sizes, stream, fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want))
	}
}

// FuzzFields checks that no value can forge a field: what the encoder accepts is read
// back as exactly one event with equal fields.
func FuzzFields(f *testing.F) {
	f.Add("1", "tick", int64(time.Second), "a comment", "hello")
	f.Add("", "", int64(0), "", "")
	f.Add(" 1 ", " e ", int64(1), " c\n d", " x\r\n\r\ny\n")
	f.Add("1\ndata: forged", "e", int64(-1), "", "")
	f.Add("1\x00", "e\rdata: forged", int64(0), "\n\ndata: forged\n\n", "\n\nid: forged\n\n")
	f.Add("\uFEFF", "\uFEFF", int64(1<<62), "\uFEFF", "\uFEFFid: 1")
	f.Add(":", ":", int64(999_999), ":", ":\x00\u2028\u0085\v\f")
	f.Add("\xff", "\xf0\x9f", int64(0), "\xc0\x80", "\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, id, event string, retry int64, comment, data string) {
		in := sse.ServerSentEvent[string]{ID: id, Event: event, Retry: time.Duration(retry), Comment: comment, Data: data}
		const before = "data: before\n\n"
		block, err := sse.Append([]byte(before), in)
		if wrong := invalid(in); (err != nil) != wrong {
			t.Fatalf("Append(%#v) = %v, want an error: %v", in, err, wrong)
		}
		if err != nil {
			if _, ok := errors.AsType[*sse.FieldError](err); !ok || string(block) != before {
				t.Fatalf("Append(%#v) = %q, %v; want dst as it was and a FieldError", in, block, err)
			}
			return
		}

		stream := append(block, "data: after\n\n"...)
		got := read(t, stream, nil, 1<<30).events
		if len(got) != 3 || string(got[0].Data) != "before" || string(got[2].Data) != "after" || got[2].HasID {
			t.Fatalf("Append(%#v) = %q, which is read as %#v", in, block, got)
		}
		wantRetry := in.Retry.Truncate(time.Millisecond)
		if in.Retry > 0 {
			wantRetry = max(wantRetry, time.Millisecond)
		}
		want := sse.Event{
			ID: id, HasID: id != "", LastEventID: id,
			Event: event, Data: []byte(normal(data)), Comment: normal(comment),
			Retry: wantRetry, HasRetry: wantRetry > 0,
		}
		if !reflect.DeepEqual(got[1], want) {
			t.Fatalf("Append(%#v) = %q, which is read as\n%#v, want\n%#v", in, block, got[1], want)
		}

		// write∘read∘write = write
		again, err := sse.Append([]byte(before), written(got[1]))
		if err != nil || !bytes.Equal(again, block) {
			t.Errorf("written once: %q, read and written again: %q, %v", block, again, err)
		}
	})
}

// FuzzRewrite reads any stream and writes its events. Reading and writing those once
// more must change nothing.
func FuzzRewrite(f *testing.F) {
	addStreams(f, func(stream []byte) { f.Add(stream) })
	f.Fuzz(func(t *testing.T, stream []byte) {
		events := read(t, stream, nil, sse.DefaultMaxEventSize).events
		once := write(t, events)
		back := read(t, once, nil, 4*sse.DefaultMaxEventSize).events
		if twice := write(t, back); !bytes.Equal(once, twice) {
			t.Errorf("%q is written as\n%q, and once more as\n%q", stream, once, twice)
		}
		if len(back) != len(events) {
			t.Fatalf("%q: %d events, %d after writing them", stream, len(events), len(back))
		}
		for i := range events {
			if !bytes.Equal(back[i].Data, events[i].Data) || back[i].Event != events[i].Event || back[i].ID != events[i].ID {
				t.Errorf("%q: event %d is %#v, after writing %#v", stream, i, events[i], back[i])
			}
		}
	})
}

func write(t *testing.T, events []sse.Event) []byte {
	t.Helper()
	var out []byte
	for _, ev := range events {
		var err error
		if out, err = sse.Append(out, written(ev)); err != nil {
			t.Fatalf("Append(%#v) = %v: what was read can be written", ev, err)
		}
	}
	return out
}

// written is ev as a server would write it.
func written(ev sse.Event) sse.ServerSentEvent[string] {
	return sse.ServerSentEvent[string]{ID: ev.ID, Event: ev.Event, Retry: ev.Retry, Comment: ev.Comment, Data: string(ev.Data)}
}

func invalid(ev sse.ServerSentEvent[string]) bool {
	return strings.ContainsAny(ev.ID, "\r\n\x00") || strings.ContainsAny(ev.Event, "\r\n") || ev.Retry < 0 ||
		!utf8.ValidString(ev.ID) || !utf8.ValidString(ev.Event) || !utf8.ValidString(ev.Comment) || !utf8.ValidString(ev.Data)
}

// normal returns s with each line break as a line feed.
func normal(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}
