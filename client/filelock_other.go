//go:build (!unix && !windows) || aix || solaris

package client

import "os"

// lockFile opens the file at path. These systems have no lock that ends with the process.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}
