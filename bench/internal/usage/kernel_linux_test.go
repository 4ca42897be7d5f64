package usage

import (
	"os/exec"
	"syscall"
	"testing"
)

func TestKernel(t *testing.T) {
	before, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	const n = 5000
	for range n / 2 {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(fds[0])
		defer syscall.Close(fds[1])
	}
	after, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	// Other processes may free some of theirs meanwhile; these 5,000 take some 10 MB.
	if grew := int64(after) - int64(before); grew < n*500 {
		t.Errorf("Kernel() grew by %d bytes with %d sockets", grew, n)
	}
}

func TestSlabObjects(t *testing.T) {
	const info = "slabinfo - version: 2.1\n# name <active_objs> <num_objs> <objsize> ...\n" +
		"TCP 10 12 2000 13 8 : tunables 0 0 0 : slabdata 1 1 0\n" +
		"kmalloc-8k 3 4 8192 4 8 : tunables 0 0 0 : slabdata 1 1 0\n"
	if got, err := slabObjects(info); got != 10*2000+3*8192 || err != nil {
		t.Errorf("slabObjects() = %d, %v", got, err)
	}
	if _, err := slabObjects("TCP 10\n"); err == nil {
		t.Error("slabObjects of an unknown format = nil error")
	}
}

func TestOf(t *testing.T) {
	// It works for a moment, prints a line, and waits.
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo; read x")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	u, err := Of(cmd.Process.Pid)
	if err != nil || u.CPU <= 0 || u.RSS < 100<<10 || u.PeakRSS < u.RSS/2 {
		t.Errorf("Of(a shell) = %+v, %v", u, err)
	}
	if own, err := Of(syscall.Getpid()); err != nil || own.CPU <= 0 || own.CPU > CPU() {
		t.Errorf("Of(this process) = %v, %v; by getrusage %v", own.CPU, err, CPU())
	}
	in.Close()
	cmd.Wait()
	if _, err := Of(cmd.Process.Pid); err == nil {
		t.Error("Of(a process that has ended) = nil error")
	}
}
