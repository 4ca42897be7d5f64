//go:build unix

package e2e_test

import (
	"testing"

	"github.com/fluxwire-go/fluxwire/internal/nginx"
	"github.com/fluxwire-go/fluxwire/internal/pages"
)

// TestPages runs the blocks of the pages that need a shell and other programs. The
// tests of internal/pages check the other blocks.
func TestPages(t *testing.T) { pages.CheckShell(t, "..", nginx.Proxy) }
