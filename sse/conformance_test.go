package sse_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
)

// streamCases is the number of stream cases in testdata/conformance.json.
const streamCases = 109

type vector struct {
	Name        string       `json:"name"`
	Kind        string       `json:"kind"`
	InputB64    string       `json:"input_b64"`
	InputParts  []vectorPart `json:"input_parts"`
	InputLen    int          `json:"input_len"`
	InputSHA256 string       `json:"input_sha256"`
	Chunkings   []string     `json:"chunkings"`
	Live        []struct {
		AfterBytes int `json:"after_bytes"`
		Events     int `json:"events"`
	} `json:"live"`
	Expect struct {
		Events      vectorEvents `json:"events"`
		LastEventID vectorText   `json:"last_event_id"`
		Retry       *float64     `json:"reconnection_time_ms"`
		Comments    []vectorText `json:"comments"`
	} `json:"expect"`
}

type vectorPart struct {
	B64   string `json:"b64"`
	Times int    `json:"times"`
}

// vectorText is a text, or the length and hash of one.
type vectorText struct {
	text   string
	length int
	sha256 string
}

func (v *vectorText) UnmarshalJSON(p []byte) error {
	if p[0] == '"' {
		return json.Unmarshal(p, &v.text)
	}
	var long struct {
		Len    int    `json:"len_utf8"`
		SHA256 string `json:"sha256"`
	}
	if err := json.Unmarshal(p, &long); err != nil {
		return err
	}
	if long.SHA256 == "" {
		return fmt.Errorf("neither a text nor a hash: %s", p)
	}
	v.length, v.sha256 = long.Len, long.SHA256
	return nil
}

func (v vectorText) matches(s string) bool {
	if v.sha256 == "" {
		return v.text == s
	}
	return v.length == len(s) && v.sha256 == hash([]byte(s))
}

func (v vectorText) String() string {
	if v.sha256 == "" {
		return strconv.Quote(v.text)
	}
	return fmt.Sprintf("%d bytes, SHA-256 %s", v.length, v.sha256)
}

// vectorEvents is a list of events, or the number and hash of them.
type vectorEvents struct {
	list []struct {
		Type        vectorText `json:"type"`
		Data        vectorText `json:"data"`
		LastEventID vectorText `json:"lastEventId"`
	}
	count  int
	sha256 string
}

func (v *vectorEvents) UnmarshalJSON(p []byte) error {
	if p[0] == '[' {
		return json.Unmarshal(p, &v.list)
	}
	var many struct {
		Count  int    `json:"count"`
		SHA256 string `json:"sha256_of_json"`
	}
	if err := json.Unmarshal(p, &many); err != nil {
		return err
	}
	if many.SHA256 == "" {
		return fmt.Errorf("neither a list nor a hash: %s", p)
	}
	v.count, v.sha256 = many.Count, many.SHA256
	return nil
}

// check compares events as type, data and last event id.
func (v vectorEvents) check(t *testing.T, got [][3]string) {
	t.Helper()
	if v.sha256 != "" {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(got); err != nil {
			t.Fatal(err)
		}
		sum := hash(bytes.TrimSpace(buf.Bytes()))
		if len(got) != v.count || sum != v.sha256 {
			t.Errorf("%d events with SHA-256 %s, want %d with %s", len(got), sum, v.count, v.sha256)
		}
		return
	}
	if len(got) != len(v.list) {
		t.Errorf("%d events %.300q, want %d", len(got), got, len(v.list))
		return
	}
	for i, want := range v.list {
		if !want.Type.matches(got[i][0]) || !want.Data.matches(got[i][1]) || !want.LastEventID.matches(got[i][2]) {
			t.Errorf("event %d is %.300q, want %v %v %v", i, got[i], want.Type, want.Data, want.LastEventID)
		}
	}
}

func hash(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}

func (v vector) input(t *testing.T) []byte {
	t.Helper()
	parts := v.InputParts
	if len(parts) == 0 {
		parts = []vectorPart{{v.InputB64, 1}}
	}
	var input []byte
	for _, p := range parts {
		b, err := base64.StdEncoding.DecodeString(p.B64)
		if err != nil {
			t.Fatal(err)
		}
		input = append(input, bytes.Repeat(b, p.Times)...)
	}
	if len(input) != v.InputLen || hash(input) != v.InputSHA256 {
		t.Fatalf("input has %d bytes and SHA-256 %s, want %d and %s", len(input), hash(input), v.InputLen, v.InputSHA256)
	}
	return input
}

// cut splits input as the vectors say: "whole", "7" or "at:3,9".
func cut(t *testing.T, input []byte, chunking string) [][]byte {
	t.Helper()
	if chunking == "whole" {
		return [][]byte{input}
	}
	if at, ok := strings.CutPrefix(chunking, "at:"); ok {
		var chunks [][]byte
		from := 0
		for s := range strings.SplitSeq(at, ",") {
			to, err := strconv.Atoi(s)
			if err != nil || to <= from || to >= len(input) {
				t.Fatalf("chunking %q of %d bytes: bad cut %q", chunking, len(input), s)
			}
			chunks = append(chunks, input[from:to])
			from = to
		}
		return append(chunks, input[from:])
	}
	n, err := strconv.Atoi(chunking)
	if err != nil || n <= 0 {
		t.Fatalf("unknown chunking %q", chunking)
	}
	return slices.Collect(slices.Chunk(input, n))
}

// chunkReader returns one chunk for each read, then end, or io.EOF if end is nil.
type chunkReader struct {
	chunks [][]byte
	end    error
}

func (r *chunkReader) Read(p []byte) (int, error) {
	for len(r.chunks) > 0 && len(r.chunks[0]) == 0 {
		r.chunks = r.chunks[1:]
	}
	if len(r.chunks) == 0 {
		if r.end != nil {
			return 0, r.end
		}
		return 0, io.EOF
	}
	n := copy(p, r.chunks[0])
	r.chunks[0] = r.chunks[0][n:]
	return n, nil
}

func TestConformance(t *testing.T) {
	raw, err := os.ReadFile("testdata/conformance.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Format  string   `json:"format"`
		Vectors []vector `json:"vectors"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if file.Format != "sse-vectors/1" {
		t.Fatalf("format %q, want sse-vectors/1", file.Format)
	}

	ran, live := 0, 0
	for _, v := range file.Vectors {
		if v.Kind != "stream" {
			continue
		}
		ran++
		if len(v.Chunkings) == 0 {
			t.Errorf("%s names no chunking", v.Name)
		}
		for _, chunking := range v.Chunkings {
			t.Run(v.Name+"/"+chunking, func(t *testing.T) {
				checkStream(t, v, cut(t, v.input(t), chunking))
			})
		}
		for _, l := range v.Live {
			live++
			for _, chunking := range []string{"whole", "1"} {
				t.Run(fmt.Sprintf("%s/%s/live-%d", v.Name, chunking, l.AfterBytes), func(t *testing.T) {
					checkLive(t, cut(t, v.input(t)[:l.AfterBytes], chunking), l.Events)
				})
			}
		}
	}
	if ran != streamCases {
		t.Errorf("%d stream cases ran, want %d", ran, streamCases)
	}
	if live == 0 {
		t.Error("no live case ran")
	}
}

func checkStream(t *testing.T, v vector, chunks [][]byte) {
	var comments []string
	d := sse.NewDecoder(&chunkReader{chunks: chunks})
	d.OnComment = func(text string) { comments = append(comments, text) }
	got := [][3]string{}
	for ev, err := range d.Events() {
		if err != nil {
			t.Fatal(err)
		}
		name := ev.Event
		if name == "" {
			name = "message"
		}
		got = append(got, [3]string{name, string(ev.Data), ev.LastEventID})
	}
	v.Expect.Events.check(t, got)

	if !v.Expect.LastEventID.matches(d.LastEventID()) {
		t.Errorf("LastEventID() = %q, want %v", d.LastEventID(), v.Expect.LastEventID)
	}
	retry, ok := d.Retry()
	if want := v.Expect.Retry; want == nil {
		if ok {
			t.Errorf("Retry() = %v, want none", retry)
		}
	} else {
		most := float64(math.MaxInt64 / int64(time.Millisecond))
		if ms := float64(retry.Milliseconds()); !ok || ms != min(*want, most) {
			t.Errorf("Retry() = %v ms, %v; want %v ms", ms, ok, *want)
		}
	}
	if len(comments) != len(v.Expect.Comments) {
		t.Errorf("%d comments %.300q, want %d", len(comments), comments, len(v.Expect.Comments))
		return
	}
	for i, want := range v.Expect.Comments {
		// A vector keeps the space after the colon; the decoder removes it.
		if !want.matches(comments[i]) && !want.matches(" "+comments[i]) {
			t.Errorf("comment %d is %.300q, want %v", i, comments[i], want)
		}
	}
}

var errSilent = errors.New("the connection is silent")

// checkLive checks that the decoder returns exactly n events before it reads past
// chunks.
func checkLive(t *testing.T, chunks [][]byte, n int) {
	d := sse.NewDecoder(&chunkReader{chunks: chunks, end: errSilent})
	got := 0
	for {
		_, err := d.Decode()
		if errors.Is(err, errSilent) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got++
	}
	if got != n {
		t.Errorf("%d events, want %d", got, n)
	}
}
