package sse_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/fluxwire-go/fluxwire/sse"
	"github.com/fluxwire-go/fluxwire/streams"
)

// A Price is the data of most examples.
type Price struct {
	Pair string  `json:"pair" xml:"pair,attr"`
	Rate float64 `json:"rate" xml:",chardata"`
}

func ExampleAppend() {
	block, err := sse.Append(nil, sse.ServerSentEvent[Price]{
		ID:    "7",
		Event: "price",
		Data:  Price{"EUR/USD", 1.08},
		Retry: 2 * time.Second,
	})
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(block)
	// Output:
	// id: 7
	// event: price
	// retry: 2000
	// data: {"pair":"EUR/USD","rate":1.08}
}

// Text is written as it is, line by line, not as JSON.
func ExampleAppend_text() {
	block, err := sse.Append(nil, sse.ServerSentEvent[string]{Data: "first line\nsecond line"})
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(block)
	// Output:
	// data: first line
	// data: second line
}

// No value can forge a field of the stream.
func ExampleFieldError() {
	_, err := sse.Append(nil, sse.ServerSentEvent[string]{ID: "7\ndata: forged"})
	fmt.Println(err)
	fmt.Println(errors.Is(err, sse.ErrLineBreak))
	// Output:
	// sse: id: line break at byte 1; the field is one line, remove line breaks
	// true
}

// An Encoder whose buffer is reused does not allocate.
func ExampleEncoder() {
	enc := sse.NewEncoder[Price](nil)
	var buf []byte
	for i, rate := range []float64{1.08, 1.09} {
		var err error
		buf, err = enc.Append(buf[:0], sse.ServerSentEvent[Price]{ID: fmt.Sprint(i), Data: Price{"EUR/USD", rate}})
		if err != nil {
			log.Fatal(err)
		}
		os.Stdout.Write(buf)
	}
	// Output:
	// id: 0
	// data: {"pair":"EUR/USD","rate":1.08}
	//
	// id: 1
	// data: {"pair":"EUR/USD","rate":1.09}
}

// In a line of JSON, text becomes a JSON string and other data is embedded.
func ExampleEncoder_IsText() {
	enc := sse.NewEncoder[any](nil)
	for _, v := range []any{"1.08", 1.08} {
		data, err := enc.AppendData(nil, v)
		if err != nil {
			log.Fatal(err)
		}
		if enc.IsText(v) {
			fmt.Printf("{\"data\":%q}\n", data)
		} else {
			fmt.Printf("{\"data\":%s}\n", data)
		}
	}
	// Output:
	// {"data":"1.08"}
	// {"data":1.08}
}

// XML is a codec for data in XML.
type XML struct{}

func (XML) AppendData(dst []byte, v any) ([]byte, error) {
	p, err := xml.Marshal(v)
	return append(dst, p...), err
}

func (XML) DecodeData(data []byte, v any) error { return xml.Unmarshal(data, v) }

func (XML) IsText(any) bool { return true } // it is not JSON

func ExampleCodec() {
	block, err := sse.NewEncoder[Price](XML{}).Append(nil, sse.ServerSentEvent[Price]{Data: Price{"EUR/USD", 1.08}})
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(block)

	ev, err := sse.NewDecoder(strings.NewReader(string(block))).Decode()
	if err != nil {
		log.Fatal(err)
	}
	var price Price
	if err := (XML{}).DecodeData(ev.Data, &price); err != nil {
		log.Fatal(err)
	}
	fmt.Println(price.Pair, price.Rate)
	// Output:
	// data: <Price pair="EUR/USD">1.08</Price>
	//
	// EUR/USD 1.08
}

// Blocks that carry no event: a server sends them first, and as heartbeats.
func ExampleAppendComment() {
	buf, err := sse.AppendRetry(nil, 2*time.Second)
	if err == nil {
		buf, err = sse.AppendID(buf, "41")
	}
	if err == nil {
		buf, err = sse.AppendComment(buf, "nothing yet")
	}
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(buf)
	// Output:
	// retry: 2000
	//
	// id: 41
	//
	// : nothing yet
}

func ExampleDecoder() {
	body := strings.NewReader("event: price\ndata: {\"pair\":\"EUR/USD\",\"rate\":1.08}\n\n" +
		": a heartbeat\n\n" +
		"data: a line\ndata: and another\n\n")

	d := sse.NewDecoder(body)
	for ev, err := range d.Events() {
		if err != nil {
			log.Fatal(err)
		}
		switch ev.Event {
		case "price":
			var price Price
			if err := sse.JSON.DecodeData(ev.Data, &price); err != nil {
				log.Fatal(err)
			}
			fmt.Println(price.Pair, price.Rate)
		case "": // what browsers call "message"
			fmt.Printf("%q\n", ev.Data)
		}
	}
	// Output:
	// EUR/USD 1.08
	// "a line\nand another"
}

// A connection breaks, and the next one resumes after the last event.
func ExampleDecoder_Reset() {
	d := sse.NewDecoder(strings.NewReader("retry: 500\nid: 7\ndata: seen\n\nid: 8\ndata: cut off"))
	for ev := range d.Events() {
		fmt.Printf("%s\n", ev.Data)
	}

	wait, _ := d.Retry()
	fmt.Printf("wait %v, then send Last-Event-ID: %s\n", wait, d.LastEventID())

	d.Reset(strings.NewReader("id: 8\ndata: whole this time\n\n"))
	for ev := range d.Events() {
		fmt.Printf("%s\n", ev.Data)
	}
	// Output:
	// seen
	// wait 500ms, then send Last-Event-ID: 7
	// whole this time
}

// One event that is too large does not end the stream.
func ExampleEventTooLargeError() {
	d := sse.NewDecoder(strings.NewReader("id: 1\ndata: far too large\n\nid: 2\ndata: fits\n\n"))
	d.MaxEventSize = 8
	for {
		ev, err := d.Decode()
		if tooLarge, ok := errors.AsType[*sse.EventTooLargeError](err); ok {
			fmt.Printf("dropped event %s, over %d bytes\n", tooLarge.ID, tooLarge.Limit)
			continue
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", ev.ID, ev.Data)
	}
	// Output:
	// dropped event 1, over 8 bytes
	// 2: fits
}

func ExampleNamed() {
	block, err := sse.Append(nil, sse.Named("price", Price{"EUR/USD", 1.08}))
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(block)
	// Output:
	// event: price
	// data: {"pair":"EUR/USD","rate":1.08}
}

// A stream of values becomes a stream of events.
func ExampleAs() {
	prices := streams.Of(Price{"EUR/USD", 1.08}, Price{"EUR/USD", 1.09})
	for ev, err := range streams.Map(prices, sse.As[Price]("price")).All(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ev.Event, ev.Data.Rate)
	}
	// Output:
	// price 1.08
	// price 1.09
}

// A server tells a client that events are missing.
func ExampleControl() {
	gap := sse.Gap{Reason: sse.GapRetention, From: "7.k3x", To: "12.k3x", Missed: new(uint64(5)), ID: "12.k3x"}
	block, err := gap.Control().Append(nil)
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(block)

	ev, err := sse.NewDecoder(bytes.NewReader(block)).Decode()
	if err != nil {
		log.Fatal(err)
	}
	if ev.Event == sse.ControlGap {
		fmt.Println(sse.ParseGap(ev.Data))
	}
	// Output:
	// id: 12.k3x
	// event: stream.gap
	// data: {"reason":"retention","from":"7.k3x","to":"12.k3x","missed":5}
	//
	// 5 events are missing between "7.k3x" and "12.k3x": retention
}

// A log stores the block of each event with an id line in front.
func ExampleFrames() {
	var stored []byte
	for i, text := range []string{"one", "two"} {
		block, err := sse.Append(nil, sse.Named("word", text))
		if err != nil {
			log.Fatal(err)
		}
		stored = fmt.Appendf(stored, "id: %d\n%s", i+1, block)
	}
	for frame := range sse.Frames(stored) {
		id, _, _ := sse.CutIDLine(frame)
		name, data, _ := sse.ParseFrame(frame, nil)
		fmt.Printf("%s: %s %s\n", id, name, data)
	}
	// Output:
	// 1: word one
	// 2: word two
}
