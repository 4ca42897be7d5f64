// Package nginx starts an nginx for a test, which needs no rights, and writes to no
// directory but its own.
package nginx
