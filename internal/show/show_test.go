package show

import (
	"net/url"
	"testing"
)

func TestURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://user:secret@host:1/a%2Fb/?token=secret#secret": "https://host:1/a%2Fb/",
		"http://host": "http://host",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := URL(u); got != want {
			t.Errorf("URL(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestEventName(t *testing.T) {
	for in, want := range map[string]string{"": "message", "message": "message", "tick": "tick"} {
		if got := EventName(in); got != want {
			t.Errorf("EventName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestIsCollection(t *testing.T) {
	for in, want := range map[string]bool{
		`{}`: true, " \t\r\n[1, {\"a\": 2}]\n": true,
		"": false, "1": false, `"{}"`: false, "null": false, "true": false, "{": false, "[1] 2": false, "\u00a0{}": false,
	} {
		if got := IsCollection([]byte(in)); got != want {
			t.Errorf("IsCollection(%q) = %v, want %v", in, got, want)
		}
	}
}
