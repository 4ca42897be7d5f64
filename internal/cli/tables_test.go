//go:build unix

package cli_test

import (
	"slices"
	"testing"

	"github.com/fluxwire-go/fluxwire/internal/cli"
	"github.com/fluxwire-go/fluxwire/internal/pages"
)

// The pages list each flag, with its variable and its default.
func TestFlagTables(t *testing.T) {
	for _, page := range []string{"README.md", "docs/service.md"} {
		rows := pages.Rows(t, "../..", page, "--")
		for _, setting := range cli.Settings() {
			name := "`--" + setting.Flag + "`"
			want := []string{name, "`" + setting.Variable + "`", "`" + setting.Default + "`"}
			if setting.Default == "" {
				want[2] = ""
			}
			if got := rows[name]; len(got) != 4 || !slices.Equal(got[:3], want) {
				t.Errorf("%s: the row of %s is %q, want it to begin with %q", page, name, got, want)
			}
			delete(rows, name)
		}
		for name := range rows {
			t.Errorf("%s: there is no flag %s", page, name)
		}
	}
}
