package rx

import (
	"os/exec"
	"strings"
	"testing"
)

// The testify that RxGo asks for brings a yaml.v2 that scanners flag; the newer
// one that go.mod asks for does not.
func TestNoOldYAMLIsBuilt(t *testing.T) {
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
