//go:build unix

package pages

import (
	"strings"
	"testing"
)

func TestGoSource(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a file stays as it is", "package x\n", "package x\n"},
		{"declarations get a package clause", "var x = 1\n", "package main\n\nvar x = 1\n"},
		{"and what they need", "var x = errors.New(strconv.Itoa(1))\n", "package main\nimport \"errors\"\nimport \"strconv\"\n\nvar x = errors.New(strconv.Itoa(1))\n"},
		{"but not what they declare", "var log = 1\nvar x = log + 1\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := goSource(tt.text, "")
			if tt.want == "" {
				tt.want = "package main\n\n" + tt.text
			}
			if err != nil || got != tt.want {
				t.Errorf("goSource(%q) = %q, %v; want %q", tt.text, got, err, tt.want)
			}
		})
	}
	for _, tt := range []struct{ name, text, want string }{
		{"statements are wrapped", "fmt.Println(ctx)\n", "echo.Echo) error {\nfmt.Println(ctx)\n"},
		{"with their imports", "fmt.Println(ctx)\n", "import \"fmt\"\n"},
		{"and what they declare counts as used", "x, _ := 1, 2\nif y := x; y > 1 {\n}\n", "}\n\t_ = x\n\n\treturn nil\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := goSource(tt.text, ""); err != nil || !strings.Contains(got, tt.want) {
				t.Errorf("goSource(%q) = %q, %v; want %q in it", tt.text, got, err, tt.want)
			}
		})
	}
	for _, tt := range []struct{ name, text string }{
		{"what does not parse is refused", "x :=\n"},
		{"what gofmt would change is refused", "x  := 1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := goSource(tt.text, ""); err == nil {
				t.Errorf("goSource(%q) = %q, want an error", tt.text, got)
			}
		})
	}
	got, err := goSource("x := 1\n", "page.md:7")
	if want := "{\n//line page.md:7\nx := 1\n"; err != nil || !strings.Contains(got, want) {
		t.Errorf("goSource with a place = %q, %v; want %q in it", got, err, want)
	}
}
