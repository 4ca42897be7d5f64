package rx

import (
	"os/exec"
	"strings"
	"testing"
)

// The version of testify that RxGo requires imports a yaml.v2 that security scanners
// flag. The newer version that go.mod requires does not.
func TestDependenciesHaveNoOldYAML(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "github.com/stretchr/testify/assert") {
		t.Fatal("testify is not among the packages: this test looks at the wrong list")
	}
	if strings.Contains(string(out), "gopkg.in/yaml.v2") {
		t.Error("yaml.v2 is built: is testify 1.11.1 still required?")
	}
}
