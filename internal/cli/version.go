package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/fluxwire-go/fluxwire/internal/buildinfo"
)

// version is the command that prints the version.
type version struct{}

func (*version) run(_ context.Context, env Env) error {
	if _, err := fmt.Fprint(env.Stdout, versionText(buildinfo.Read())); err != nil && !unread(err) {
		return &outputError{err}
	}
	return nil
}

// versionText describes a build, a fact a line.
func versionText(build buildinfo.Info) string {
	var b strings.Builder
	line := func(name, value string) {
		if value == "" {
			value = "unknown"
		}
		fmt.Fprintf(&b, "%-9s %s\n", name, value)
	}
	revision := build.Revision
	if build.Time != "" {
		revision += " of " + build.Time
	}
	if build.Modified {
		revision += ", modified"
	}
	line("fluxwire", build.Version)
	line("revision", revision)
	line("go", build.Go)
	line("platform", build.OS+"/"+build.Arch)
	return b.String()
}
