// Package usage measures the processor time and the memory of a process.
package usage

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is the processor time and the memory that a process has used so far.
type Usage struct {
	CPU        time.Duration `json:"cpu"`      // user and system time of all its threads, ended ones too
	RSS        uint64        `json:"rss"`      // bytes resident now
	PeakRSS    uint64        `json:"peak_rss"` // the most since the start or [ResetPeak]
	HeapAlloc  uint64        `json:"heap_alloc"`
	HeapInuse  uint64        `json:"heap_inuse"`
	StackInuse uint64        `json:"stack_inuse"`
	Sys        uint64        `json:"sys"` // bytes that the Go runtime has from the system
	Goroutines int           `json:"goroutines"`
}

// CPU returns the processor time that the process has used. Linux adds it up from the
// scheduler's own clock, not from ticks. It includes what the network stack does
// inside the process's system calls.
func CPU() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// Now returns the usage of the process.
func Now() (Usage, error) {
	u := Usage{CPU: CPU(), Goroutines: runtime.NumGoroutine()}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.HeapAlloc, u.HeapInuse, u.StackInuse, u.Sys = m.HeapAlloc, m.HeapInuse, m.StackInuse, m.Sys
	return u, u.status("self")
}

// Of returns the usage of another process: processor time and resident memory.
func Of(pid int) (Usage, error) {
	// The clock of another process (clock_getcpuclockid(3)): all its threads, ended ones
	// too, from the scheduler's own clock, like that of getrusage.
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return Usage{}, fmt.Errorf("usage: processor time of process %d: %w", pid, err)
	}
	u := Usage{CPU: time.Duration(t.Nano())}
	return u, u.status(strconv.Itoa(pid))
}

// status fills in what /proc says of the memory of process pid.
func (u *Usage) status(pid string) error {
	f, err := os.Open("/proc/" + pid + "/status")
	if err != nil {
		return err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		var to *uint64
		switch name {
		case "VmRSS":
			to = &u.RSS
		case "VmHWM":
			to = &u.PeakRSS
		default:
			continue
		}
		kb, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return fmt.Errorf("usage: %q: %w", s.Text(), err)
		}
		*to = kb << 10
	}
	return nil
}

// ResetPeak resets PeakRSS to the memory that is resident now (proc(5), clear_refs).
func ResetPeak() error { return ResetPeakOf(os.Getpid()) }

// ResetPeakOf does the same to another process.
func ResetPeakOf(pid int) error {
	return os.WriteFile("/proc/"+strconv.Itoa(pid)+"/clear_refs", []byte("5"), 0o200)
}
