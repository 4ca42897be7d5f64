// Package nginx starts an nginx for a test. It needs no privileges and writes only to
// its own temporary directory.
package nginx
