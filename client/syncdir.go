//go:build !windows

package client

import (
	"errors"
	"os"
	"syscall"
)

// syncDir fsyncs a directory.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil // a file system on which a directory cannot be synced
	}
	return errors.Join(err, d.Close())
}
