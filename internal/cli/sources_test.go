package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// configFile writes a configuration file and returns its name.
func configFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fluxwire.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// parseServe parses a command line of serve that has no faults.
func parseServe(t *testing.T, environ []string, args ...string) *parser {
	t.Helper()
	p := newParser(Env{Environ: environ})
	cmd, faults := p.parse(args)
	if _, ok := cmd.(*serve); !ok || len(faults) > 0 {
		t.Fatalf("%q with %q: command %T, faults %v; want serve, none", args, environ, cmd, faults)
	}
	return p
}

// samples has three values for each setting, as they are written. The first is not
// the default.
var samples = map[string][]string{
	"addr":                   {":1", ":2", ":3"},
	"admin-addr":             {":1", ":2", ":3"},
	"cors-origin":            {"https://a.example", "https://b.example,https://c.example", "off"},
	"heartbeat":              {"1s", "off", "3s"},
	"max-age":                {"1m", "2m", "0"},
	"max-streams":            {"1", "off", "3"},
	"max-streams-per-client": {"1", "2", "0"},
	"trusted-proxies":        {"10.0.0.1", "10.0.0.0/8, ::1", ""},
	"drain-delay":            {"1s", "2s", "off"},
	"transport":              {"portable", "auto", "portable"},
	"pace":                   {"1ms", "2ms", "off"},
	"tls-cert":               {"a", "b", "c"},
	"tls-key":                {"a", "b", "c"},
	"log-level":              {"debug", "warn", "error"},
}

func TestPrecedence(t *testing.T) {
	value := func(p *parser, name string) string {
		return fmt.Sprintf("%#v", p.sources.settings[name].Target.Interface())
	}
	for _, s := range Settings() {
		if s.Flag == configFlag {
			continue
		}
		t.Run(s.Flag, func(t *testing.T) {
			v := samples[s.Flag]
			if v == nil {
				t.Fatal("there are no samples")
			}
			var pair []string // TLS needs both
			if other, ok := map[string]string{"tls-cert": "tls-key", "tls-key": "tls-cert"}[s.Flag]; ok {
				pair = []string{"--" + other + "=x"}
			}
			flag := func(i int) []string { return append([]string{"--" + s.Flag + "=" + v[i]}, pair...) }
			var want []string
			for i := range v {
				want = append(want, value(parseServe(t, nil, flag(i)...), s.Flag))
			}
			file := "--config=" + configFile(t, s.Flag+": '"+v[0]+"'\n")
			env := []string{s.Variable + "=" + v[1]}
			check := func(what, got, want string) {
				t.Helper()
				if got != want {
					t.Errorf("%s: the value is %s, want %s", what, got, want)
				}
			}
			check("file", value(parseServe(t, nil, append(pair, file)...), s.Flag), want[0])
			check("variable and file", value(parseServe(t, env, append(pair, file)...), s.Flag), want[1])
			check("flag, variable and file", value(parseServe(t, env, append(flag(2), file)...), s.Flag), want[2])
			check("flag twice", value(parseServe(t, env, append(flag(1), flag(2)[0])...), s.Flag), want[2])
			if s.Default != "" {
				byDefault := value(parseServe(t, nil), s.Flag)
				check("nothing", byDefault, value(parseServe(t, nil, "--"+s.Flag+"="+s.Default), s.Flag))
				if byDefault == want[0] {
					t.Errorf("the first sample is the default, %s: the test could not fail", s.Default)
				}
			}
		})
	}
}

func TestConfig(t *testing.T) {
	one, two := configFile(t, "addr: ':1'\n"), configFile(t, "addr: ':2'\n")
	for _, tt := range []struct {
		name    string
		environ []string
		args    []string
		want    string
	}{
		{"no file", nil, nil, ":8080"},
		{"a flag", nil, []string{"--config", one}, ":1"},
		{"a variable", []string{"FLUXWIRE_CONFIG=" + one}, nil, ":1"},
		{"a flag wins over the variable", []string{"FLUXWIRE_CONFIG=" + one}, []string{"--config", two}, ":2"},
		{"an empty flag wins over the variable", []string{"FLUXWIRE_CONFIG=" + one}, []string{"--config="}, ":8080"},
		{"an empty variable", []string{"FLUXWIRE_CONFIG="}, nil, ":8080"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, command := range [][]string{nil, {"serve"}} {
				p := parseServe(t, tt.environ, append(command, tt.args...)...)
				if got := p.sources.settings["addr"].Target.String(); got != tt.want {
					t.Errorf("%q: addr is %q, want %q", command, got, tt.want)
				}
			}
		})
	}
}

func TestFile(t *testing.T) {
	for _, tt := range []struct {
		name, text, setting, want string
	}{
		{"empty", "", "max-streams", "100000"},
		{"only comments", "# nothing\n", "max-streams", "100000"},
		{"null", "---\nnull\n", "max-streams", "100000"},
		{"a number", "max-streams: 7 # a comment\n", "max-streams", "7"},
		{"off without quotes", "max-streams: off\n", "max-streams", "-1"},
		{"JSON is YAML", `{"max-streams": 7}`, "max-streams", "7"},
		{"a list as a word", "cors-origin: https://a.example, https://b.example\n", "cors-origin", "[https://a.example https://b.example]"},
		{"a list in lines", "cors-origin:\n- https://a.example\n- https://b.example\n", "cors-origin", "[https://a.example https://b.example]"},
		{"an empty list", "cors-origin: []\n", "cors-origin", "[]"},
		{"an empty word", "cors-origin: ''\n", "cors-origin", "[]"},
		{"an alias", "max-streams: &n 7\nmax-streams-per-client: *n\n", "max-streams-per-client", "7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := parseServe(t, nil, "--config", configFile(t, tt.text))
			if got := fmt.Sprint(p.sources.settings[tt.setting].Target.Interface()); got != tt.want {
				t.Errorf("%s is %s, want %s", tt.setting, got, tt.want)
			}
		})
	}
}

// refusal runs a command line that must be refused, and returns the exit code and
// the standard error without the prefix of its lines. FILE stands for the name of
// the configuration file.
func refusal(t *testing.T, file string, environ []string, args ...string) (code int, lines []string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "missing.yaml")
	if file != "" {
		name = configFile(t, file)
		args = append(args, "--config="+name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // a service that starts by mistake ends at once
	var stdout, stderr strings.Builder
	code = Run(ctx, Env{Environ: environ, Stdout: &stdout, Stderr: &stderr}, args)
	if stdout.Len() > 0 {
		t.Errorf("standard output %q, want nothing", stdout.String())
	}
	for line := range strings.Lines(stderr.String()) {
		line, ok := strings.CutPrefix(line, "fluxwire: ")
		if !ok {
			t.Errorf("a line without the prefix: %q", line)
		}
		lines = append(lines, strings.ReplaceAll(strings.TrimSuffix(line, "\n"), name, "FILE"))
	}
	return code, lines
}

const listsFlags = " (fluxwire --help lists the flags)"

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name    string
		file    string
		environ []string
		args    []string
		want    []string // without listsFlags at the end
	}{
		{"all sources at once", "max-age: soon\nmax-stream: 5\n", []string{"FLUXWIRE_PACE=x", "FLUXWIRE_LOG_LEVEL=loud"},
			[]string{"--heartbeat=15", "--hartbeat=1s", "--max-streams", "-2", "--cors-origin", "a,b", "--tls-cert=x"}, []string{
				"unknown flag --hartbeat (did you mean --heartbeat?)",
				"FILE:2: max-stream: unknown setting; the nearest known one is max-streams",
				`--heartbeat: "15" is not a duration: write a number with its unit, such as 15s or 1h30m, or off`,
				"--max-streams: -2 is negative: write off to switch it off",
				`FILE:1: max-age: "soon" is not a duration: write a number with its unit, such as 15s or 1h30m, or off`,
				`variable FLUXWIRE_PACE: "x" is not a duration: write a number with its unit, such as 15s or 1h30m, or off`,
				`variable FLUXWIRE_LOG_LEVEL: slog: level string "loud": unknown name`,
				`--cors-origin: "a" is not an origin: write only scheme, host and port, as in "https://app.example", or "*"`,
				`--cors-origin: "b" is not an origin: write only scheme, host and port, as in "https://app.example", or "*"`,
				"--tls-cert: --tls-key is missing: a certificate needs its key",
			}},
		{"a value that is overridden is not read", "heartbeat: x\nmax-age: x\n", []string{"FLUXWIRE_HEARTBEAT=x", "FLUXWIRE_MAX_AGE=1s"},
			[]string{"--heartbeat=1s", "--nope=1"}, []string{"unknown flag --nope"}},
		{"each proxy", "", nil, []string{"--trusted-proxies=10.0.0.0/8,a,::1,10.0.0.0/33"}, []string{
			`--trusted-proxies: "a" is not an address or a range of addresses, such as 10.0.0.0/8`,
			`--trusted-proxies: "10.0.0.0/33" is not an address or a range of addresses, such as 10.0.0.0/8`}},
		{"rules for several settings name the source", "tls-key: k\ncors-origin:\n- https://ok.example\n- x\n", nil, nil, []string{
			`FILE:2: cors-origin: "x" is not an origin: write only scheme, host and port, as in "https://app.example", or "*"`,
			"FILE:1: tls-key: --tls-cert is missing: a key needs its certificate"}},
		{"the value of an unknown flag is no fault", "", nil, []string{"--nope", "5"}, []string{"unknown flag --nope"}},
		{"several arguments", "", nil, []string{"--addr=:0", "a", "b"}, []string{`unexpected argument "a"`, `unexpected argument "b"`}},
		{"a flag of serve before another command", "", nil, []string{"--addr=:0", "ping"}, []string{
			`the flags before the command "ping" belong to serve: write the command first`}},
		{"a command that is misspelt", "", nil, []string{"seerve"}, []string{`unknown command "seerve" (did you mean serve?)`}},
		{"a flag before a flag is no value", "", nil, []string{"--addr", "--heartbeat=1s"}, []string{"--addr: the value is missing"}},
		{"a short flag", "", nil, []string{"-x"}, []string{"unknown flag -x"}},

		{"unknown keys of a file", "heart-beat: 1s\n'': 1\nconfig: other.yaml\n", nil, nil, []string{
			"FILE:1: heart-beat: unknown setting; the nearest known one is heartbeat",
			"FILE:2: : unknown setting; the nearest known one is addr",
			"FILE:3: config: unknown setting; the nearest known one is addr"}},
		{"a key that is set twice", "addr: ':1'\npace: 1s\naddr: ':2'\n", nil, nil, []string{"FILE:3: addr: already set in line 1"}},
		{"values of the wrong shape", "addr: [a]\nheartbeat: {a: b}\ncors-origin: {a: b}\npace:\nmax-age: [1s, 2s]\ntrusted-proxies: [[a]]\n", nil, nil, []string{
			"FILE:1: addr: not a single value",
			"FILE:2: heartbeat: not a single value",
			"FILE:3: cors-origin: not a value or a list of values",
			`FILE:4: pace: the value is missing: write "" for an empty one`,
			"FILE:5: max-age: not a single value",
			"FILE:6: trusted-proxies: not a single value"}},
		{"a file that is a list", "- addr\n", nil, nil, []string{"FILE:1: not a list of settings: write lines such as heartbeat: 15s"}},
		{"a file of two documents", "addr: ':0'\n---\naddr: ':0'\n", nil, nil, []string{"FILE: more than one document: write one, without ---"}},
		{"a file that is not YAML", "addr: ':0'\n\tpace: 1s\n", nil, nil, []string{"FILE:2: found character that cannot start any token"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, got := refusal(t, tt.file, tt.environ, tt.args...)
			want := slices.Clone(tt.want)
			want[len(want)-1] += listsFlags
			if code != 2 || !slices.Equal(got, want) {
				t.Errorf("exit code %d, lines\n%s\nwant 2,\n%s", code, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func TestFaults_unreadableFile(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	large := configFile(t, strings.Repeat("# a comment\n", maxFile/12+1))
	for _, tt := range []struct {
		name    string
		environ []string
		args    []string
		code    int
		want    []string
	}{
		{"a flag", nil, []string{"--config", missing}, 1, []string{"--config: open " + missing + ": no such file or directory"}},
		{"a variable", []string{"FLUXWIRE_CONFIG=" + missing}, nil, 1, []string{"variable FLUXWIRE_CONFIG: open " + missing + ": no such file or directory"}},
		{"too large", nil, []string{"--config", large}, 1, []string{"--config: " + large + " is larger than 1048576 bytes"}},
		{"and a wrong flag", nil, []string{"--config", missing, "--heartbeat=x"}, 2, []string{
			"--config: open " + missing + ": no such file or directory",
			`--heartbeat: "x" is not a duration: write a number with its unit, such as 15s or 1h30m, or off` + listsFlags}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if code, got := refusal(t, "", tt.environ, tt.args...); code != tt.code || !slices.Equal(got, tt.want) {
				t.Errorf("exit code %d, lines %q; want %d, %q", code, got, tt.code, tt.want)
			}
		})
	}
}

// Only serve has settings: other commands read neither variables nor a file.
func TestSources_otherCommands(t *testing.T) {
	s := &script{}
	r := play(t, s.serve, "tail", "--heartbeat=1s", base)
	if r.code != 2 || !strings.Contains(r.stderr, "unknown flag --heartbeat") {
		t.Errorf("tail with a flag of serve: %+v, want that it is unknown", r)
	}
	p := newParser(Env{Environ: []string{"FLUXWIRE_TIMEOUT=x", "FLUXWIRE_CONFIG=/nowhere", "FLUXWIRE_HEARTBEAT=x"}})
	if cmd, faults := p.parse([]string{"ping"}); len(faults) > 0 || cmd.(*ping).Timeout.String() != "10s" {
		t.Errorf("ping: %+v, faults %v; want the default and none", cmd, faults)
	}
}

func TestUnknownVariables(t *testing.T) {
	environ := []string{
		"FLUXWIRE_HEARBEAT=7s", "FLUXWIRE_ADDR=127.0.0.1:0", "HOME=/", "FLUXWIRE_", "fluxwire_addr=x",
		"FLUXWIRE_SERVICE_HOST=10.0.0.1", "FLUXWIRE_PORT=tcp://10.0.0.1:8080", "FLUXWIRE_PORT_8080_TCP=tcp://10.0.0.1:8080",
		"FLUXWIRE_TEST_SEED=1", "FLUXWIRE_REQUIRE_ALL=1",
	}
	run := func(environ []string, args ...string) string {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var stdout, stderr strings.Builder
		if code := Run(ctx, Env{Environ: environ, Stdout: &stdout, Stderr: &stderr}, args); code != 0 || stdout.Len() == 0 {
			t.Errorf("exit code %d, standard output %q, standard error %q; want 0, the welcome", code, &stdout, &stderr)
		}
		return stderr.String()
	}
	const want = `level=WARN msg="unknown environment variables are ignored" variables="FLUXWIRE_HEARBEAT (did you mean FLUXWIRE_HEARTBEAT?), FLUXWIRE_PORT, FLUXWIRE_PORT_8080_TCP, FLUXWIRE_SERVICE_HOST"` + "\n"
	if got := run(environ); !oneLineOf(got) || !strings.HasSuffix(got, want) {
		t.Errorf("standard error %q, want one line that ends with %q", got, want)
	}
	for _, environ := range [][]string{{"FLUXWIRE_TEST_X=1", "FLUXWIRE_REQUIRE_ALL=1", "FLUXWIRE_ADDR=127.0.0.1:0"}, {"FLUXWIRE_ADDR=127.0.0.1:0"}} {
		if got := run(environ); got != "" {
			t.Errorf("%q: standard error %q, want nothing", environ, got)
		}
	}
}

// Kubernetes sets FLUXWIRE_SERVICE_HOST, FLUXWIRE_PORT, FLUXWIRE_PORT_8080_TCP and the
// like in every pod beside a Service called fluxwire: no setting may have such a name.
func TestSettingNames(t *testing.T) {
	taken := regexp.MustCompile(`^FLUXWIRE_(SERVICE(_|$)|PORT(_|$)|TEST_|REQUIRE_ALL$)`)
	for _, s := range Settings() {
		if taken.MatchString(s.Variable) || !regexp.MustCompile(`^FLUXWIRE_[A-Z_]+$`).MatchString(s.Variable) {
			t.Errorf("--%s has the variable %s: choose another name", s.Flag, s.Variable)
		}
	}
}

// Every default in a tag can be parsed, and every command can run.
func TestCommands(t *testing.T) {
	p := newParser(Env{})
	for _, node := range p.kong.Model.Children {
		cmd, ok := node.Target.Addr().Interface().(command)
		if !ok {
			t.Errorf("%s has no method run", node.Name)
		}
		var args []string
		for _, arg := range node.Positional {
			if arg.Required {
				args = append(args, "http://localhost")
			}
		}
		got, faults := newParser(Env{}).parse(append([]string{node.Name}, args...))
		if len(faults) > 0 || fmt.Sprintf("%T", got) != fmt.Sprintf("%T", cmd) {
			t.Errorf("%s %q: command %T, faults %v; want %T, none", node.Name, args, got, faults, cmd)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"heartbeat", "hearbeat", 1}, {"max_age", "max-age", 1}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
	if got := didYouMean("nope", []string{"pace"}); got != "" {
		t.Errorf("didYouMean suggests %q for a word that is not similar", got)
	}
}

var _ kong.Resolver = (*sources)(nil)
