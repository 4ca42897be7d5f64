//go:build unix

package e2e_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/require"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

// TestWelcome opens the URLs and runs the commands that the welcome lists.
func TestWelcome(t *testing.T) {
	curl := require.Program(t, "curl")
	cert, key, _ := testkit.Certificate(t)
	path := build(t)
	client := testkit.Client(t, &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}})
	for what, args := range map[string][]string{"plain": nil, "TLS": {"--tls-cert", cert, "--tls-key", key}} {
		t.Run(what, func(t *testing.T) {
			_, stdout, _ := start(t, path, append(args, "--addr=127.0.0.1:0"), nil)
			url := welcomed(t, stdout)
			routes, commands, ok := strings.Cut(stdout.String(), "\nTry:\n")
			if !ok {
				t.Fatalf("the welcome is %q, want something to try", stdout)
			}

			_, routes, _ = strings.Cut(routes, "\n\n")
			paths := 0
			for line := range strings.Lines(routes) {
				path := strings.Fields(line)[0]
				accept := "text/event-stream"
				if path == "/" || path == "/ping" {
					accept = "*/*"
				}
				req, err := http.NewRequestWithContext(t.Context(), "GET", url+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Accept", accept)
				res, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				if res.Body.Close(); res.StatusCode != http.StatusOK {
					t.Errorf("%s: %s", path, res.Status)
				}
				paths++
			}
			if paths != 6 {
				t.Errorf("the welcome has %d routes, want 6", paths)
			}

			tried := 0
			for line := range strings.Lines(commands) {
				words := shellWords(t, line)
				if words[0] != "curl" {
					t.Fatalf("command %q: want curl", line)
				}
				output := runCurl(t, curl, words[1:])
				switch {
				case strings.Contains(line, "-N"):
					if !strings.Contains(output, "\nevent: periodic-event\n") {
						t.Errorf("%s: output %q, want an event", line, output)
					}
				case strings.Contains(line, "/ping"):
					if output != "sent ping!" {
						t.Errorf("%s: output %q, want %q", line, output, "sent ping!")
					}
				default:
					var values []string
					if err := json.Unmarshal([]byte(output), &values); err != nil || len(values) != 2 || !strings.HasPrefix(values[0], "Flux - ") {
						t.Errorf("%s: output %q, %v; want two values", line, output, err)
					}
				}
				tried++
			}
			if tried != 3 {
				t.Errorf("the welcome has %d commands, want 3", tried)
			}
		})
	}
}

// shellWords splits a command as a shell does, as far as the welcome needs it.
func shellWords(t *testing.T, line string) (words []string) {
	t.Helper()
	for i, part := range strings.Split(strings.TrimSpace(line), "'") {
		switch {
		case strings.ContainsAny(part, `"\$`+"`") || i%2 == 0 && strings.ContainsAny(part, "*?&|;<>()#~"):
			t.Fatalf("command %q: this test does not understand its quoting", line)
		case i%2 == 1:
			words = append(words, part)
		default:
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// runCurl returns the output of curl: all of it or, if it is endless (-N), up to the end
// of the first event.
func runCurl(t *testing.T, curl string, args []string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, curl, args...)
	cmd.Env = []string{"HOME=" + t.TempDir()} // no proxy, no .curlrc
	cmd.WaitDelay = time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var output strings.Builder
	endless := false
	for _, arg := range args {
		endless = endless || arg == "-N"
	}
	if !endless {
		io.Copy(&output, stdout)
		if err := cmd.Wait(); err != nil {
			t.Errorf("curl %q: %v", args, err)
		}
		return output.String()
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		output.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "data: ") {
			break
		}
	}
	cancel()
	cmd.Wait()
	return output.String()
}
