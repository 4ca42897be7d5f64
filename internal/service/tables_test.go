//go:build unix

package service_test

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/internal/pages"
	"github.com/fluxwire-go/fluxwire/internal/service"
	"github.com/fluxwire-go/fluxwire/internal/service/servicetest"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

// Our pages list every route that the welcome names, and none that is not served.
func TestTablesOfRoutes(t *testing.T) {
	admin := testkit.FreeAddr(t)
	s, err := service.New(service.Config{Addr: "127.0.0.1:0", AdminAddr: admin, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan net.Addr, 1), make(chan error, 1)
	go func() { done <- s.Run(ctx, func(addr net.Addr) { ready <- addr }) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	}()
	addr := <-ready
	public, welcome := "http://"+addr.String(), s.Welcome(addr)
	client := testkit.Client(t, nil)
	status := func(method, url string) int {
		req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}

	for _, page := range []string{"README.md", "docs/service.md"} {
		listed := make(map[string]bool)
		for cell, row := range pages.Rows(t, "../..", page, "GET /") {
			onAdmin := strings.Contains(strings.Join(row, " "), "admin-addr") || strings.Contains(cell, "/healthz") || strings.Contains(cell, "/metrics")
			for _, m := range regexp.MustCompile("`([A-Z]+) (/[^`]*)`").FindAllStringSubmatch(cell, -1) {
				listed[m[2]] = true
				wantPublic, wantAdmin := http.StatusOK, http.StatusNotFound
				if onAdmin {
					wantPublic, wantAdmin = wantAdmin, wantPublic
				}
				if got := status(m[1], public+m[2]); got != wantPublic {
					t.Errorf("%s lists %s: it is answered with %d, want %d", page, m[0], got, wantPublic)
				}
				if got := status(m[1], "http://"+admin+m[2]); got != wantAdmin {
					t.Errorf("%s lists %s: on the admin address it is answered with %d, want %d", page, m[0], got, wantAdmin)
				}
			}
		}
		for _, m := range regexp.MustCompile(`(?m)^  (/\S*) `).FindAllStringSubmatch(welcome, -1) {
			if !listed[m[1]] {
				t.Errorf("%s does not list %s", page, m[1])
			}
		}
	}
}

// Our page lists each metric with its labels.
func TestTableOfMetrics(t *testing.T) {
	rows := pages.Rows(t, "../..", "docs/service.md", "fluxwire_")
	s := servicetest.Serve(t, service.Config{})
	client := testkit.Client(t, nil)
	// An id that cannot be read makes the service tell a gap, too.
	if status, body := testkit.Fetch(t, client, s.URL+"/stream-sse?take=1&lastEventId=none"); status != http.StatusOK {
		t.Fatalf("GET /stream-sse?take=1&lastEventId=none = %d %s", status, body)
	}
	histogram := regexp.MustCompile("_(bucket|sum|count)$")
	served := make(map[string]string)
	testkit.Eventually(t, "a stream has ended", func() bool {
		_, body := testkit.Fetch(t, client, s.URL+"/metrics")
		for _, m := range regexp.MustCompile(`(?m)^(fluxwire_\w+)\{(.*)\} `).FindAllStringSubmatch(body, -1) {
			name := m[1]
			if family := histogram.ReplaceAllString(name, ""); strings.Contains(body, "# TYPE "+family+" histogram\n") {
				name = family
			}
			var labels []string
			for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[2], -1) {
				if l[1] != "le" {
					labels = append(labels, "`"+l[1]+"`")
				}
			}
			slices.Sort(labels)
			served["`"+name+"`"] = strings.Join(labels, ", ")
		}
		return served["`fluxwire_streams_ended_total`"] != ""
	})
	listed := make(map[string]string)
	for name, row := range rows {
		labels := strings.Split(row[1], ", ")
		slices.Sort(labels)
		listed[name] = strings.Join(labels, ", ")
	}
	if !maps.Equal(listed, served) {
		t.Errorf("docs/service.md lists %q, /metrics serves %q", listed, served)
	}
}
