//go:build (!unix && !windows) || aix || solaris

package client

import "os"

// lockFile opens the file at path. There is no lock here that ends with the process.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}
