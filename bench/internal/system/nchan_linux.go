package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fluxwire-go/fluxwire/bench/internal/usage"
)

// nchan is nginx with the module nchan and one worker. Events are posted to it, one after
// the other, over one Unix connection. Only the worker is measured.
type nchan struct {
	http.Handler // nil: nginx serves
	addr         string
	worker       int
	master       *os.Process
	exited       chan error
	dir          string
	client       *http.Client
}

// nginx finds the program and the module.
func nginx() (program, module string, err error) {
	program, err = exec.LookPath("nginx")
	if err != nil {
		return "", "", errors.New("system: nchan: there is no nginx; on Debian: apt-get install nginx libnginx-mod-nchan")
	}
	module = "/usr/lib/nginx/modules/ngx_nchan_module.so"
	if _, err := os.Stat(module); err != nil {
		return "", "", fmt.Errorf("system: nchan: nginx has no such module: %w; on Debian: apt-get install libnginx-mod-nchan", err)
	}
	return program, module, nil
}

// nginxConf is a format for the module, the directives of user and processor, the
// address, and the Unix socket. As with the others, clients do not get events from before
// they came; 100 messages are kept for clients that lag.
const nginxConf = `load_module %s;
%s
%s
worker_processes 1;
worker_rlimit_nofile 20000;
daemon off;
pid nginx.pid;
error_log stderr crit;
events {
    worker_connections 19900;
}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen %s backlog=4096;
        location = /events {
            nchan_subscriber eventsource;
            nchan_channel_id bench;
            nchan_subscriber_first_message newest;
        }
    }
    server {
        listen unix:%s;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
        location = /publish {
            nchan_publisher http;
            nchan_channel_id bench;
            nchan_message_buffer_length 100;
            nchan_message_timeout 1h;
        }
    }
}
`

func newNchan(cfg Config) (System, error) {
	program, module, err := nginx()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "nchan")
	if err != nil {
		return nil, err
	}
	s := &nchan{Handler: http.NotFoundHandler(), dir: dir, exited: make(chan error, 1)}
	if s.addr, err = free(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	socket := filepath.Join(dir, "publish")
	user, affinity := "", ""
	if os.Geteuid() == 0 {
		user = "user root;" // who owns the directory
	}
	if cfg.Core >= 0 {
		affinity = fmt.Sprintf("worker_cpu_affinity 1%s;", strings.Repeat("0", cfg.Core))
	}
	conf := fmt.Sprintf(nginxConf, module, user, affinity, s.addr, socket)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.client = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	if err := s.start(program); err != nil {
		return nil, errors.Join(err, s.Shutdown(context.Background()))
	}
	return s, nil
}

// free returns an address at which no program listens.
func free() (string, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// start starts nginx and waits until its worker serves.
func (s *nchan) start(program string) error {
	started := make(chan error)
	go func() {
		// The kernel sends the parent-death signal when the thread that started nginx ends.
		runtime.LockOSThread()
		cmd := exec.Command(program, "-p", s.dir, "-c", "nginx.conf", "-e", "stderr")
		cmd.Stderr = os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
		err := cmd.Start()
		s.master = cmd.Process
		started <- err
		if err == nil {
			s.exited <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	for range 500 {
		select {
		case err := <-s.exited:
			s.master = nil
			return fmt.Errorf("system: nchan: nginx has ended: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
		pid := strconv.Itoa(s.master.Pid)
		children, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
		if err != nil {
			continue
		}
		if s.worker, err = strconv.Atoi(strings.TrimSpace(string(children))); err != nil {
			continue
		}
		// The master has the socket, so the kernel accepts; wait for the worker to answer.
		r, err := s.client.Get("http://nchan/publish")
		if err == nil {
			r.Body.Close()
			return nil
		}
	}
	return errors.New("system: nchan: nginx does not serve within 5s")
}

func (s *nchan) Publish(ctx context.Context, _ uint64, data []byte) error {
	r, err := http.NewRequestWithContext(ctx, "POST", "http://nchan/publish", bytes.NewReader(data))
	if err != nil {
		return err
	}
	res, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("system: nchan: publish: %s: %s", res.Status, text)
	}
	return err
}

// Shutdown stops nginx at once: a graceful stop would wait until the clients leave.
func (s *nchan) Shutdown(ctx context.Context) error {
	s.client.CloseIdleConnections()
	var err error
	if s.master != nil {
		err = s.master.Signal(syscall.SIGTERM)
		select {
		case exit := <-s.exited:
			err = errors.Join(err, exit)
		case <-ctx.Done():
			err = errors.Join(err, context.Cause(ctx), s.master.Kill())
		}
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

func (s *nchan) Counts() map[string]uint64 { return nil }

// Addr is where nginx listens.
func (s *nchan) Addr() string { return s.addr }

// Usage returns the usage of nginx's worker.
func (s *nchan) Usage() (usage.Usage, error) { return usage.Of(s.worker) }

// ResetPeak resets the peak of nginx's worker.
func (s *nchan) ResetPeak() error { return usage.ResetPeakOf(s.worker) }
