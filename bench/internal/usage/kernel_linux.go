package usage

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Kernel returns the bytes of memory that the kernel of this machine has in use for
// all processes' objects (sockets, files, epoll's entries: slabs) and for the buffers
// of TCP. Only differences mean anything, and only while little else changes.
//
// For root it counts the objects in use (/proc/slabinfo). For other users it counts
// whole slabs, some of which may exist already and be empty, so a difference may be too
// small.
func Kernel() (uint64, error) {
	buffers, err := tcpBuffers()
	if err != nil {
		return 0, err
	}
	if b, err := os.ReadFile("/proc/slabinfo"); err == nil {
		objects, err := slabObjects(string(b))
		return objects + buffers, err
	}
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	slab, err := after(string(b), "Slab:", 0)
	return slab<<10 + buffers, err
}

// tcpBuffers is the memory of TCP's buffers: pages.
func tcpBuffers() (uint64, error) {
	b, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return 0, err
	}
	_, tcp, _ := strings.Cut(string(b), "TCP:")
	pages, err := after(tcp, "mem", 0)
	return pages * uint64(os.Getpagesize()), err
}

// slabObjects adds up the objects in use, by their sizes (slabinfo(5)).
func slabObjects(s string) (total uint64, err error) {
	for line := range strings.Lines(s) {
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "slabinfo") {
			continue
		}
		name, _, _ := strings.Cut(line, " ")
		n, err := after(line, name, 0)
		if err != nil {
			return 0, err
		}
		size, err := after(line, name, 2)
		if err != nil {
			return 0, err
		}
		total += n * size
	}
	return total, nil
}

// after returns number i of the numbers after name in s.
func after(s, name string, i int) (uint64, error) {
	_, rest, ok := strings.Cut(s, name)
	fields := strings.Fields(rest)
	if !ok || len(fields) <= i {
		return 0, fmt.Errorf("usage: the kernel does not report %q", name)
	}
	return strconv.ParseUint(fields[i], 10, 64)
}
