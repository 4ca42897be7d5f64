package handlers

import (
	"strings"
	"testing"
	"time"
)

func TestConfig_invalid(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{Heartbeat: -time.Second}, "handlers: config: Heartbeat: -1s is negative: write Off to switch it off"},
		{Config{Grace: -2}, "handlers: config: Grace: -2ns is negative: write Off to switch it off"},
		{Config{MaxAge: -time.Hour}, "handlers: config: MaxAge: -1h0m0s is negative: write Off to switch it off"},
		{Config{Pace: -time.Second}, "handlers: config: Pace: -1s is negative: write Off to switch it off"},
		{Config{MaxStreams: -2}, "handlers: config: MaxStreams: -2 is negative: write Off for no limit"},
		{Config{MaxStreamsPerSubject: -5}, "handlers: config: MaxStreamsPerSubject: -5 is negative: write Off for no limit"},
		{Config{WriteTimeout: Off}, "handlers: config: WriteTimeout: -1ns is negative; without one a stream could be held open forever"},
		{Config{Retry: Off}, "handlers: config: Retry: -1ns is negative"},
		{Config{MaxEvent: Off}, "handlers: config: MaxEvent: -1 is negative"},
		{Config{Transport: 3}, "handlers: config: Transport: unknown transport 3"},
		{Config{Origins: []string{"app.example"}}, `handlers: config: Origins: `},
	} {
		if _, err := New(tt.cfg); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("New(%+v) = %v, want %s", tt.cfg, err, tt.want)
		}
	}
	_, err := New(Config{WriteTimeout: -1, Heartbeat: -2, Origins: []string{"app.example"}})
	if all, ok := err.(interface{ Unwrap() []error }); !ok || len(all.Unwrap()) != 3 {
		t.Errorf("New = %v, want an error for each of three fields", err)
	}
}

func TestConfig_off(t *testing.T) {
	_, err := New(Config{Heartbeat: Off, Grace: Off, MaxAge: Off, Pace: Off, MaxStreams: Off, MaxStreamsPerSubject: Off})
	if err != nil {
		t.Error(err)
	}
}

func TestTransport_text(t *testing.T) {
	for _, want := range []Transport{TransportAuto, TransportPortable, TransportFast} {
		text, err := want.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		got := Transport(-1)
		if err := got.UnmarshalText(text); err != nil || got != want || string(text) != want.String() {
			t.Errorf("%s is read as %v, %v", text, got, err)
		}
	}
	if _, err := Transport(3).MarshalText(); err == nil || Transport(-1).String() != "unknown" {
		t.Error("an unknown transport has a name")
	}
	got := TransportFast
	err := got.UnmarshalText([]byte("carrier pigeon"))
	if want := `handlers: unknown transport "carrier pigeon" (want auto, portable or fast)`; err == nil || err.Error() != want || got != TransportFast {
		t.Errorf("UnmarshalText = %v and sets %v, want %s and no change", err, got, want)
	}
}
