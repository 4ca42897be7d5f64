//go:build unix

package main

import (
	"context"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/internal/cli"
	"github.com/fluxwire-go/fluxwire/internal/service"
)

// tabled returns what the rows of a page's tables hold in their first cell, if
// that begins with prefix, as a map to the whole row.
func tabled(t *testing.T, page, prefix string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, prose, err := parseBlocks(page, string(text))
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string][]string)
	for line := range strings.Lines(prose) {
		if !strings.HasPrefix(line, "| `"+prefix) {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows[cells[0]] = cells
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no table whose rows begin with `%s", page, prefix)
	}
	return rows
}

// The tables of flags list each flag, with its variable and its default.
func TestTablesOfFlags(t *testing.T) {
	for _, page := range []string{"README.md", "docs/service.md"} {
		rows := tabled(t, page, "--")
		for _, setting := range cli.Settings() {
			name := "`--" + setting.Flag + "`"
			want := []string{name, "`" + setting.Variable + "`", "`" + setting.Default + "`"}
			if setting.Default == "" {
				want[2] = ""
			}
			if got := rows[name]; len(got) != 4 || !slices.Equal(got[:3], want) {
				t.Errorf("%s: the row of %s is %q, want it to begin with %q", page, name, got, want)
			}
			delete(rows, name)
		}
		for name := range rows {
			t.Errorf("%s: there is no flag %s", page, name)
		}
	}
}

// The tables of routes list what the service prints that it serves, and nothing
// that it does not serve.
func TestTablesOfRoutes(t *testing.T) {
	admin := freeAddr(t)
	ctx, cancel := context.WithCancel(t.Context())
	stdout := new(buffer)
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"--addr", "127.0.0.1:0", "--admin-addr", admin}, nil, stdout, t.Output())
	}()
	defer func() {
		cancel()
		if code := <-done; code != 0 {
			t.Errorf("run = %d, want 0", code)
		}
	}()
	eventually(t, "the service runs", func() bool { return strings.Contains(stdout.String(), "stream-flux?take=") })
	public := address.FindString(stdout.String())
	client := newClient(t, nil)
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
		for cell, row := range tabled(t, page, "GET /") {
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
		for _, m := range regexp.MustCompile(`(?m)^  (/\S*) `).FindAllStringSubmatch(stdout.String(), -1) {
			if !listed[m[1]] {
				t.Errorf("%s does not list %s", page, m[1])
			}
		}
	}
}

// The table of transports.md has each reason for the portable transport, in the
// words of the log.
func TestTableOfReasonsForThePortableTransport(t *testing.T) {
	const file = "handlers/transport.go"
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rows := tabled(t, "docs/transports.md", "the ")
	reasons := regexp.MustCompile(`\n\t\treturn "(the [^"]+)"`).FindAllStringSubmatch(string(code), -1)
	if len(reasons) == 0 {
		t.Fatalf("%s gives no reasons that this test understands", file)
	}
	for _, m := range reasons {
		told := false
		for cell := range rows {
			if strings.HasPrefix(cell, "`"+m[1]) {
				told = true
				delete(rows, cell)
			}
		}
		if !told {
			t.Errorf("docs/transports.md does not have the reason %q of %s", m[1], file)
		}
	}
	for cell := range rows {
		t.Errorf("docs/transports.md has the reason %s, which %s does not give", cell, file)
	}
}

// The table of metrics lists each of ours, with its labels.
func TestTableOfMetrics(t *testing.T) {
	rows := tabled(t, "docs/service.md", "fluxwire_")
	s := serve(t, service.Config{})
	client := newClient(t, nil)
	// With an id that is none, so that a gap is told, too.
	if status, body := fetch(t, client, s.url+"/stream-sse?take=1&lastEventId=none"); status != http.StatusOK {
		t.Fatalf("GET /stream-sse?take=1&lastEventId=none = %d %s", status, body)
	}
	histogram := regexp.MustCompile("_(bucket|sum|count)$")
	served := make(map[string]string)
	eventually(t, "a stream has ended", func() bool {
		_, body := fetch(t, client, s.url+"/metrics")
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
