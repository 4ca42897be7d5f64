//go:build unix

package nginx

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fluxwire-go/fluxwire/internal/require"
	"github.com/fluxwire-go/fluxwire/internal/testkit"
)

// Proxy starts an nginx in front of the server at upstream, which is host:port, and
// returns its URL. directives are put into its location "/"; nothing else is configured
// that concerns streams, such as buffering.
func Proxy(t *testing.T, upstream, directives string) (url string) {
	t.Helper()
	return Start(t, "", func(addr string) string {
		return fmt.Sprintf(`
	server {
		listen %s;
		location / {
			proxy_pass http://%s;
			%s
		}
	}
`, addr, upstream, directives)
	})
}

// Start starts an nginx and returns its URL. module is the file of a module to load, or
// "". http returns the content of the http block, which must listen on addr. nginx is
// stopped when t ends. If there is no nginx, t is skipped or fails: see
// [require.Program].
func Start(t *testing.T, module string, http func(addr string) string) (url string) {
	t.Helper()
	program := require.Program(t, "nginx", "/usr/sbin/nginx")
	dir := t.TempDir()
	attr := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		// The user nobody may do everything that the tests need.
		const nobody = 65534
		attr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := errors.Join(os.Chown(dir, nobody, nobody), os.Chmod(filepath.Dir(dir), 0o711)); err != nil {
			t.Fatal(err)
		}
	}
	if module != "" {
		module = private(t, module, dir)
	}
	// Another process may take the port after FreeAddr and before nginx; then Start
	// takes another port.
	for range 5 {
		addr := testkit.FreeAddr(t)
		file := filepath.Join(dir, "nginx.conf")
		if err := os.WriteFile(file, []byte(config(module, http(addr))), 0o644); err != nil {
			t.Fatal(err)
		}
		log := new(testkit.Buffer)
		cmd := exec.Command(program, "-p", dir, "-c", file, "-e", "stderr")
		cmd.Stderr = log
		cmd.SysProcAttr = attr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			cmd.Wait()
			close(ended)
		}()
		if !accepts(t, addr, ended) {
			if strings.Contains(log.String(), "Address already in use") {
				continue
			}
			t.Fatalf("nginx has ended: %v\n%s", cmd.ProcessState, log)
		}
		t.Cleanup(func() {
			cmd.Process.Signal(syscall.SIGTERM)
			<-ended
			if !cmd.ProcessState.Success() {
				t.Errorf("nginx: %v", cmd.ProcessState)
			}
			if t.Failed() {
				t.Logf("nginx said:\n%s", log)
			}
		})
		return "http://" + addr
	}
	t.Fatal("nginx found no free port five times in a row")
	return ""
}

// config is the configuration of an nginx in the foreground that keeps its files in
// its own directory.
func config(module, http string) string {
	process := "master_process off;"
	if module != "" {
		// Without a master nchan aborts when nginx ends.
		process = "worker_processes 1;\nload_module " + module + ";"
	}
	return fmt.Sprintf(`
daemon off;
%s
pid nginx.pid;
error_log stderr info;
events {}
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
%s
}
`, process, http)
}

// private returns a copy of a module that keeps its temporary files in nginx's own
// directory.
//
// nchan creates the temporary directory that was compiled into nginx, below a path that
// only root may write to. It has a directive for another directory, but refuses that as
// a duplicate (nchan 1.3.6). So private replaces the path in the copy by a relative one
// of the same length. A module without that path is not changed.
func private(t *testing.T, module, dir string) string {
	t.Helper()
	code, err := os.ReadFile(module)
	if err != nil {
		t.Fatal(err)
	}
	const shared, own = "/var/lib/nginx/body\x00", "nchan-message-temp-\x00"
	code = bytes.ReplaceAll(code, []byte(shared), []byte(own))
	path := filepath.Join(dir, filepath.Base(module))
	if err := os.WriteFile(path, code, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// accepts waits until a program accepts connections at addr, or ended is closed.
func accepts(t *testing.T, addr string, ended <-chan struct{}) bool {
	t.Helper()
	up := false
	testkit.Eventually(t, "nginx listens on "+addr, func() bool {
		select {
		case <-ended:
			return true
		default:
		}
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		conn.Close()
		up = true
		return true
	})
	return up
}
