package cli_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/fluxwire-go/fluxwire/internal/cli"
	"github.com/fluxwire-go/fluxwire/internal/socket"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

// A commandLine is a command line that the program refuses, with one line that says why.
type commandLine struct {
	what string
	args []string
	env  map[string]string
	code int
	says []string
}

func refused(t *testing.T) []commandLine {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	taken := ln.Addr().String()
	cert, key, _ := testkit.Certificate(t)
	_, otherKey, _ := testkit.Certificate(t)
	garbage := filepath.Join(t.TempDir(), "garbage.pem")
	if err := os.WriteFile(garbage, []byte("no certificate\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "missing.pem")
	const help = "fluxwire --help"
	anywhere := "--addr=127.0.0.1:0"

	lines := []commandLine{
		{what: "an unknown flag", args: []string{"--nope"}, code: 2, says: []string{"-nope", help}},
		{what: "an unknown command", args: []string{"follow", anywhere}, code: 2, says: []string{`unknown command "follow"`, help}},
		{what: "help of an unknown command", args: []string{"help", "follow"}, code: 2, says: []string{`unknown command "follow"`, help}},
		{what: "a wrong flag of the command serve", args: []string{"serve", "--nope"}, code: 2, says: []string{"-nope", help}},
		{what: "a wrong flag of another command", args: []string{"tail", "--addr=:80", "http://localhost"}, code: 2, says: []string{"-addr", "fluxwire tail --help"}},
		{what: "a flag without its value", args: []string{"--addr"}, code: 2, says: []string{"-addr", help}},
		{what: "an argument that is no flag", args: []string{anywhere, "extra"}, code: 2, says: []string{`"extra"`, help}},
		{what: "a duration without its unit", args: []string{"--heartbeat=15"}, code: 2, says: []string{"-heartbeat", `"15"`, help}},
		{what: "a negative duration", args: []string{"--heartbeat=-1s"}, code: 2, says: []string{"--heartbeat", "-1s", "write off"}},
		{what: "a negative age", args: []string{"--max-age=-1s"}, code: 2, says: []string{"--max-age", "-1s", "write off"}},
		{what: "a negative limit", args: []string{"--max-streams=-1"}, code: 2, says: []string{"--max-streams", "-1", "write off"}},
		{what: "a negative limit for a client", args: []string{"--max-streams-per-client=-5"}, code: 2, says: []string{"--max-streams-per-client", "-5"}},
		{what: "a negative delay", args: []string{"--drain-delay=-1s"}, code: 2, says: []string{"--drain-delay", "-1s"}},
		{what: "a proxy that is no address", args: []string{"--trusted-proxies=10.0.0.0/8,proxy.example"}, code: 2, says: []string{"--trusted-proxies", `"proxy.example"`, "10.0.0.0/8"}},
		{what: "a negative rest", args: []string{"--pace=-1ms"}, code: 2, says: []string{"--pace", "-1ms", "write off"}},
		{what: "an unknown transport", args: []string{"--transport=quick"}, code: 2, says: []string{"-transport", `"quick"`, "auto, portable or fast", help}},
		{what: "an unknown level", args: []string{"--log-level=loud"}, code: 2, says: []string{"-log-level", `"loud"`, help}},
		{what: "an invalid origin", args: []string{anywhere, "--cors-origin=app.example"}, code: 2, says: []string{"--cors-origin", `"app.example"`, "https://app.example", help}},
		{what: "a certificate without its key", args: []string{anywhere, "--tls-cert=" + cert}, code: 2, says: []string{"--tls-cert", "--tls-key", help}},
		{what: "a key without its certificate", args: []string{anywhere, "--tls-key=" + key}, code: 2, says: []string{"--tls-cert", "--tls-key", help}},
		{what: "a wrong value in the environment", args: []string{anywhere}, env: map[string]string{"FLUXWIRE_HEARTBEAT": "soon"}, code: 2, says: []string{"FLUXWIRE_HEARTBEAT", `"soon"`, help}},
		{what: "a wrong origin in the environment", args: []string{anywhere}, env: map[string]string{"FLUXWIRE_CORS_ORIGIN": "x"}, code: 2, says: []string{"variable FLUXWIRE_CORS_ORIGIN", `"x"`, help}},

		{what: "an address in use", args: []string{"--addr=" + taken}, code: 1, says: []string{taken + " is in use", "stop the program", "--addr"}},
		{what: "an address in use, of the environment", env: map[string]string{"FLUXWIRE_ADDR": taken}, code: 1, says: []string{taken + " is in use", "--addr"}},
		{what: "an admin address in use", args: []string{anywhere, "--admin-addr=" + taken}, code: 1, says: []string{taken + " is in use", "--admin-addr"}},
		{what: "an invalid address", args: []string{"--addr=8080"}, code: 1, says: []string{"address 8080", "missing port", "--addr"}},
		{what: "an address of another machine", args: []string{"--addr=192.0.2.1:8080"}, code: 1, says: []string{"192.0.2.1:8080", "--addr"}},
		{what: "a certificate that is missing", args: []string{anywhere, "--tls-cert=" + missing, "--tls-key=" + key}, code: 1, says: []string{"--tls-cert " + missing, "no such file"}},
		{what: "a key that is missing", args: []string{anywhere, "--tls-cert=" + cert, "--tls-key=" + missing}, code: 1, says: []string{"--tls-key " + missing, "no such file"}},
		{what: "a file that is not a certificate", args: []string{anywhere, "--tls-cert=" + garbage, "--tls-key=" + key}, code: 1, says: []string{"--tls-cert " + garbage, "PEM"}},
		{what: "a key of another certificate", args: []string{anywhere, "--tls-cert=" + cert, "--tls-key=" + otherKey}, code: 1, says: []string{"--tls-key " + otherKey, "does not match"}},
	}
	if !socket.Supported {
		lines = append(lines,
			commandLine{what: "a transport that is not here", args: []string{anywhere, "--transport=fast"}, code: 2, says: []string{"--transport", "no fast transport", help}},
			commandLine{what: "one in the environment", args: []string{anywhere}, env: map[string]string{"FLUXWIRE_TRANSPORT": "fast"}, code: 2, says: []string{"variable FLUXWIRE_TRANSPORT", "no fast transport", help}})
	}
	return lines
}

// check checks what the program did with c.
func (c commandLine) check(t *testing.T, code int, stdout, stderr string) {
	t.Helper()
	if code != c.code {
		t.Errorf("exit code %d, want %d", code, c.code)
	}
	if stdout != "" {
		t.Errorf("standard output has %q, want nothing", stdout)
	}
	if !strings.HasPrefix(stderr, "fluxwire: ") || strings.Index(stderr, "\n") != len(stderr)-1 {
		t.Errorf("standard error has %q, want one line", stderr)
	}
	for _, s := range c.says {
		if !strings.Contains(stderr, s) {
			t.Errorf("standard error has %q, want %q in it", stderr, s)
		}
	}
}

// lookup returns env in the form of [os.Environ].
func lookup(env map[string]string) (environ []string) {
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	return environ
}

// run runs the program in this process.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	return cli.Run(ctx, cli.Env{Environ: environ, Stdout: stdout, Stderr: stderr}, args)
}

func TestRefusedCommandLines(t *testing.T) {
	for _, c := range refused(t) {
		t.Run(c.what, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
			defer cancel()
			var stdout, stderr strings.Builder
			code := run(ctx, c.args, lookup(c.env), &stdout, &stderr)
			c.check(t, code, stdout.String(), stderr.String())
		})
	}
}

// A program is a running service.
type program struct {
	url            string // in the welcome
	stdout, stderr *testkit.Buffer
	stop           func() int // stops it and returns the exit code
}

// launch runs the program in this process until t ends.
func launch(t *testing.T, args []string, env map[string]string) *program {
	t.Helper()
	p := &program{stdout: new(testkit.Buffer), stderr: new(testkit.Buffer)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, args, lookup(env), p.stdout, p.stderr) }()
	p.stop = sync.OnceValue(func() int {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if code := p.stop(); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
		if got := p.stderr.String(); got != "" && !strings.Contains(got, "level=DEBUG") {
			t.Errorf("standard error has %q, want nothing", got)
		}
	})
	p.url = welcomed(t, p.stdout)
	return p
}

var welcome = regexp.MustCompile(`^Fluxwire serves event streams at (\S+)\n`)

// welcomed waits for the welcome and returns the URL in it.
func welcomed(t *testing.T, stdout *testkit.Buffer) (url string) {
	t.Helper()
	testkit.Eventually(t, "the program says where it serves", func() bool {
		m := welcome.FindStringSubmatch(stdout.String())
		if m != nil {
			url = m[1]
		}
		return m != nil
	})
	return url
}

func TestEnvironment(t *testing.T) {
	cert, key, trusting := testkit.Certificate(t)
	client := testkit.Client(t, &http.Transport{TLSClientConfig: trusting})
	head := func(t *testing.T, url, name string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "HEAD", url+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "https://app.example")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return strings.Join(res.Header.Values(name), ", ")
	}
	addr := testkit.FreeAddr(t)
	admin := testkit.FreeAddr(t)
	for _, tt := range []struct {
		what string
		args []string
		env  map[string]string
		want func(t *testing.T, p *program)
	}{
		{"an address", nil, map[string]string{"FLUXWIRE_ADDR": addr}, func(t *testing.T, p *program) {
			if want := "http://" + addr; p.url != want {
				t.Errorf("serves at %s, want %s", p.url, want)
			}
		}},
		{"an address, and a flag that wins", []string{"--addr", addr}, map[string]string{"FLUXWIRE_ADDR": "192.0.2.1:1"}, func(t *testing.T, p *program) {
			if want := "http://" + addr; p.url != want {
				t.Errorf("serves at %s, want %s", p.url, want)
			}
		}},
		{"a heartbeat", nil, map[string]string{"FLUXWIRE_HEARTBEAT": "7s"}, func(t *testing.T, p *program) {
			if got := head(t, p.url, "Stream-Heartbeat"); got != "7" {
				t.Errorf("Stream-Heartbeat: %q, want 7", got)
			}
		}},
		{"a heartbeat, and a flag that wins", []string{"--heartbeat", "9s"}, map[string]string{"FLUXWIRE_HEARTBEAT": "not even one"}, func(t *testing.T, p *program) {
			if got := head(t, p.url, "Stream-Heartbeat"); got != "9" {
				t.Errorf("Stream-Heartbeat: %q, want 9", got)
			}
		}},
		{"no heartbeat", nil, map[string]string{"FLUXWIRE_HEARTBEAT": "off"}, func(t *testing.T, p *program) {
			if got := head(t, p.url, "Stream-Heartbeat"); got != "" {
				t.Errorf("Stream-Heartbeat: %q, want none", got)
			}
		}},
		{"an age", nil, map[string]string{"FLUXWIRE_MAX_AGE": "1ms"}, func(t *testing.T, p *program) {
			if ev, err := testkit.Open(t, client, p.url+"/events").Next(); err != nil || ev.Event != "stream.bye" || !strings.Contains(string(ev.Data), "max-age") {
				t.Errorf("a stream begins with %q %s, %v; want stream.bye for its age", ev.Event, ev.Data, err)
			}
		}},
		{"an origin", nil, map[string]string{"FLUXWIRE_CORS_ORIGIN": "https://app.example"}, func(t *testing.T, p *program) {
			if got := head(t, p.url, "Access-Control-Allow-Origin"); got != "https://app.example" {
				t.Errorf("Access-Control-Allow-Origin: %q, want the origin", got)
			}
		}},
		{"no origin", nil, map[string]string{"FLUXWIRE_CORS_ORIGIN": ""}, func(t *testing.T, p *program) {
			if got := head(t, p.url, "Access-Control-Allow-Origin"); got != "" {
				t.Errorf("Access-Control-Allow-Origin: %q, want none", got)
			}
		}},
		{"origins, and a flag that wins", []string{"--cors-origin", "https://other.example, https://app.example"}, map[string]string{"FLUXWIRE_CORS_ORIGIN": ""}, func(t *testing.T, p *program) {
			if got := head(t, p.url, "Access-Control-Allow-Origin"); got != "https://app.example" {
				t.Errorf("Access-Control-Allow-Origin: %q, want the origin", got)
			}
		}},
		{"an admin address", nil, map[string]string{"FLUXWIRE_ADMIN_ADDR": admin}, func(t *testing.T, p *program) {
			for url, want := range map[string]int{
				"http://" + admin + "/healthz/live":        http.StatusOK,
				"http://" + admin + "/metrics":             http.StatusOK,
				"http://" + admin + "/debug/pprof/cmdline": http.StatusOK,
				"http://" + admin + "/events":              http.StatusNotFound,
				p.url + "/healthz/live":                    http.StatusNotFound,
				p.url + "/metrics":                         http.StatusNotFound,
				p.url + "/debug/pprof/cmdline":             http.StatusNotFound,
			} {
				if got, _ := testkit.Fetch(t, client, url); got != want {
					t.Errorf("%s: %d, want %d", url, got, want)
				}
			}
		}},
		{"a level", nil, map[string]string{"FLUXWIRE_LOG_LEVEL": "debug"}, func(t *testing.T, p *program) {
			testkit.Fetch(t, client, p.url+"/stream-sse-mvc?take=1")
			testkit.Eventually(t, "the stream's end is in the log", func() bool { return strings.Contains(p.stderr.String(), "reason=complete") })
		}},
		{"a level, and a flag that wins", []string{"--log-level=info"}, map[string]string{"FLUXWIRE_LOG_LEVEL": "debug"}, func(t *testing.T, p *program) {
			testkit.Fetch(t, client, p.url+"/stream-sse-mvc?take=1")
			p.stop()
			if got := p.stderr.String(); got != "" {
				t.Errorf("the log says %q, want nothing", got)
			}
		}},
		{"a transport", nil, map[string]string{"FLUXWIRE_TRANSPORT": "portable", "FLUXWIRE_LOG_LEVEL": "debug"}, func(t *testing.T, p *program) {
			testkit.Open(t, client, p.url+"/events")
			testkit.Eventually(t, "the stream is open", func() bool {
				return testkit.Metric(t, client, p.url, "fluxwire_streams_open", `transport="portable"`) == 1
			})
			if log := p.stderr.String(); strings.Contains(log, "portable transport") {
				t.Errorf("the log gives reasons for what was chosen: %s", log)
			}
		}},
		{"a transport, and a flag that wins", []string{"--transport=auto"}, map[string]string{"FLUXWIRE_TRANSPORT": "portable"}, func(t *testing.T, p *program) {
			testkit.Open(t, client, p.url+"/events")
			name := "portable"
			if socket.Supported {
				name = "fast"
			}
			testkit.Eventually(t, "the stream is "+name, func() bool {
				return testkit.Metric(t, client, p.url, "fluxwire_streams_open", `transport="`+name+`"`) == 1
			})
		}},
		{"no rest", nil, map[string]string{"FLUXWIRE_PACE": "0"}, func(t *testing.T, p *program) {
			stream := testkit.Open(t, client, p.url+"/events")
			for range 100 {
				testkit.Ping(t, client, p.url, "")
				stream.Want("", "pong!")
			}
		}},
		{"TLS", nil, map[string]string{"FLUXWIRE_TLS_CERT": cert, "FLUXWIRE_TLS_KEY": key}, func(t *testing.T, p *program) {
			if status, _ := testkit.Fetch(t, client, p.url+"/healthz/live"); !strings.HasPrefix(p.url, "https://") || status != http.StatusOK {
				t.Errorf("%s answers %d, want TLS and 200", p.url, status)
			}
		}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			if _, ok := tt.env["FLUXWIRE_ADDR"]; !ok {
				tt.env["FLUXWIRE_ADDR"] = "127.0.0.1:0"
			}
			tt.want(t, launch(t, tt.args, tt.env))
		})
	}
}
