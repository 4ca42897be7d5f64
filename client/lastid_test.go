package client

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
)

func TestSetParam(t *testing.T) {
	for _, tt := range []struct{ name, query, value, want string }{
		{"added", "a=1", "7", "a=1&id=7"},
		{"the only parameter", "", "7", "id=7"},
		{"replaced anywhere in the query", "id=1&a=2&id=3", "7", "a=2&id=7"},
		{"replaced when spelled with escapes or without a value", "%69d=1&id&b", "7", "b&id=7"},
		{"removed", "a=1&id=3", "", "a=1"},
		{"nothing to remove", "", "", ""},
		{"the others stay as they were written", "b=%7e+x&a=1;2&%zz=3&idx=4&a=0", "7", "b=%7e+x&a=1;2&%zz=3&idx=4&a=0&id=7"},
		{"any character is escaped", "", "a\x01 &=+é\xff", "id=a%01+%26%3D%2B%C3%A9%FF"},
	} {
		u := &url.URL{Scheme: "http", Host: "host.test", RawQuery: tt.query}
		if setParam(u, "id", tt.value); u.RawQuery != tt.want {
			t.Errorf("%s: setParam(%q, %q) = %q, want %q", tt.name, tt.query, tt.value, u.RawQuery, tt.want)
		}
	}
}

func TestLastEventIDQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t,
			sends("id: a b\ndata: x\n\n"),
			answer(http.StatusTemporaryRedirect, "", "Location", "/next?y=1"),
			sends("id: c\x01\ndata: x\n\n"),
			sends("id\ndata: reset\n\n"))
		var seen []string
		for _, err := range Follow[string](t.Context(), host+"/?lastEventId=old&x=1", HTTPClient(s.HTTP), Retry(exact), LastEventIDQuery("lastEventId"),
			OnRequest(func(r *http.Request) error { seen = append(seen, r.URL.RequestURI()); return nil })) {
			if err != nil {
				t.Error(err)
			}
		}
		want := []string{
			"host.test/?x=1", "host.test/?x=1&lastEventId=a+b", "host.test/next?y=1&lastEventId=a+b",
			"host.test/?x=1&lastEventId=c%01", "host.test/?x=1",
		}
		if got := s.requested(); !slices.Equal(got, want) {
			t.Errorf("requests went to %q, want %q", got, want)
		}
		if got, want := s.header("Last-Event-ID"), []string{"", "a b", "a b", "", ""}; !slices.Equal(got, want) {
			t.Errorf("Last-Event-ID was %q, want %q", got, want)
		}
		if want := []string{"/?x=1", "/?x=1&lastEventId=a+b", "/?x=1&lastEventId=c%01", "/?x=1"}; !slices.Equal(seen, want) {
			t.Errorf("OnRequest saw %q, want %q", seen, want)
		}
	})
}

func TestLastEventIDQueryFirstRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, answer(http.StatusOK, ""), answer(http.StatusOK, ""))
		id := LastEventID("a\nb") // no header could carry it
		if _, err := collect(t.Context(), newScript(t), LastEventIDQuery("from"), id); err != nil {
			t.Error(err)
		}
		if _, err := Once[string](t.Context(), host, HTTPClient(s.HTTP), id, LastEventIDQuery("from")); err != nil {
			t.Error(err)
		}
		res, err := Exchange(t.Context(), host+"/?from=1", HTTPClient(s.HTTP), LastEventID("7"), LastEventIDQuery("from"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got, want := s.requested(), []string{"host.test/?from=a%0Ab", "host.test/?from=7"}; !slices.Equal(got, want) {
			t.Errorf("requests went to %q, want %q", got, want)
		}
	})
}

// The id in the URL of a remembered redirect is updated, too.
func TestLastEventIDQueryAfterRedirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t,
			answer(http.StatusMovedPermanently, "", "Location", "/new?k=v"), sends("id: 8\ndata: x\n\n"),
			sends("id\ndata: reset\n\n"))
		if _, err := collect(t.Context(), s, LastEventID("7"), LastEventIDQuery("id")); err != nil {
			t.Error(err)
		}
		want := []string{"host.test/?id=7", "host.test/new?k=v&id=7", "host.test/new?k=v&id=8", "host.test/new?k=v"}
		if got := s.requested(); !slices.Equal(got, want) {
			t.Errorf("requests went to %q, want %q", got, want)
		}
	})
}

func TestLastEventIDQueryWithPositionStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, sends("id: 8\ndata: x\n\n"))
		if _, err := collect(t.Context(), s, Resume(&diary{id: "a\x01"}), LastEventIDQuery("id")); err != nil {
			t.Error(err)
		}
		if got, want := s.requested(), []string{"host.test/?id=a%01", "host.test/?id=8"}; !slices.Equal(got, want) {
			t.Errorf("requests went to %q, want %q", got, want)
		}
	})
}
