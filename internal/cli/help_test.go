package cli

import (
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/fluxwire-go/fluxwire/internal/buildinfo"
)

// output runs a command line that must succeed and returns what it prints.
func output(t *testing.T, environ []string, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	if code := Run(t.Context(), Env{Environ: environ, Stdout: &stdout, Stderr: &stderr}, args); code != 0 || stderr.Len() > 0 {
		t.Errorf("fluxwire %q: exit code %d, standard error %q; want 0, nothing", args, code, &stderr)
	}
	return stdout.String()
}

func TestHelp(t *testing.T) {
	t.Setenv("COLUMNS", "")
	model := newParser(Env{}).kong.Model
	whole := output(t, nil, "--help")
	pages := map[string]string{"": whole}
	for _, args := range [][]string{{"-h"}, {"help"}, {"--heartbeat=1s", "--help"}, {"--nope", "--help"}} {
		if got := output(t, []string{"FLUXWIRE_HEARTBEAT=soon"}, args...); got != whole {
			t.Errorf("fluxwire %q prints\n%s\nwant the help of the program", args, got)
		}
	}
	for _, node := range model.Children {
		if !strings.Contains(whole, "\n  "+node.Name+" ") || !strings.Contains(whole, node.Help) {
			t.Errorf("--help does not list the command %s", node.Name)
		}
		page := output(t, nil, node.Name, "--help")
		pages[node.Name] = page
		for _, args := range [][]string{{"help", node.Name}, {node.Name, "-h"}, {node.Name, "--nope", "--help"}} {
			if got := output(t, nil, args...); got != page {
				t.Errorf("fluxwire %q prints\n%s\nwant the help of %s", args, got, node.Name)
			}
		}
		for _, flag := range node.Flags {
			if flag.Help == "" || !strings.Contains(page, "--"+flag.Name) {
				t.Errorf("the help of %s does not explain --%s", node.Name, flag.Name)
			}
			if node.Tag.Has("settings") && (!strings.Contains(page, "["+variable(flag.Name)+"]") || !strings.Contains(whole, "--"+flag.Name+"=")) {
				t.Errorf("the help does not name %s, or --%s", variable(flag.Name), flag.Name)
			}
		}
	}
	for name, page := range pages {
		for line := range strings.Lines(page) {
			if len(line) > 81 {
				t.Errorf("the help of %q has a line of more than 80 columns: %s", name, line)
			}
		}
	}
}

func TestHelp_ofUnknownCommand(t *testing.T) {
	var stderr strings.Builder
	code := Run(t.Context(), Env{Stdout: io.Discard, Stderr: &stderr}, []string{"help", "follow"})
	if got := stderr.String(); code != 2 || !strings.HasPrefix(got, `fluxwire: unknown command "follow"`) {
		t.Errorf("exit code %d, standard error %q; want 2, that the command is unknown", code, got)
	}
}

func TestVersion(t *testing.T) {
	if got, want := output(t, nil, "version"), "\ngo        "+runtime.Version()+"\nplatform  "+runtime.GOOS+"/"+runtime.GOARCH+"\n"; !strings.HasPrefix(got, "fluxwire  ") || !strings.HasSuffix(got, want) {
		t.Errorf("version prints %q, want it to end with %q", got, want)
	}
	build := buildinfo.Info{Version: "v1.2.3", Revision: "abc", Time: "2026-11-28T12:00:00Z", Modified: true, Go: "go1.26.0", OS: "plan9", Arch: "arm"}
	want := "fluxwire  v1.2.3\nrevision  abc of 2026-11-28T12:00:00Z, modified\ngo        go1.26.0\nplatform  plan9/arm\n"
	if got := versionText(build); got != want {
		t.Errorf("versionText = %q, want %q", got, want)
	}
}
