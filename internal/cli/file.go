package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// maxFile is the size of the largest configuration file.
const maxFile = 1 << 20

// An entry is a value in the configuration file.
type entry struct {
	value string
	label string // the file, the line and the key
}

// yamlLine matches how the YAML library names the line of an error.
var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// readFile reads the configuration file, whose name is the value of source: a
// mapping in YAML from the names of settings to their values. A setting that is a
// list may be a sequence.
func readFile(source, name string, settings map[string]*kong.Flag) (entries map[string]entry, faults []fault) {
	text, err := readBounded(name)
	if err != nil {
		return nil, []fault{{source: source, err: err, code: exitFailed}}
	}
	at := func(line int) string { return fmt.Sprintf("%s:%d", name, line) }
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	var document, more yaml.Node
	switch err := dec.Decode(&document); {
	case err == io.EOF:
		return nil, nil
	case err != nil:
		source, text := name, strings.TrimPrefix(err.Error(), "yaml: ")
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			source, text = name+":"+m[1], strings.TrimPrefix(err.Error(), m[0])
		}
		return nil, []fault{{source: source, err: errors.New(text)}}
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, []fault{{source: at(root.Line), err: errors.New("not a list of settings: write lines such as heartbeat: 15s")}}
	}
	if err := dec.Decode(&more); err != io.EOF {
		faults = append(faults, fault{source: name, err: errors.New("more than one document: write one, without ---")})
	}

	entries = make(map[string]entry)
	lines := make(map[string]int) // of the keys
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		label := at(key.Line) + ": " + key.Value
		wrong := func(format string, args ...any) {
			faults = append(faults, fault{source: label, err: fmt.Errorf(format, args...)})
		}
		flag, ok := settings[key.Value]
		if !ok || key.Value == configFlag {
			known := slices.Sorted(maps.Keys(settings))
			known = slices.DeleteFunc(known, func(s string) bool { return s == configFlag })
			nearest, _ := nearest(key.Value, known)
			wrong("unknown setting; the nearest known one is %s", nearest)
			continue
		}
		if first := lines[key.Value]; first > 0 {
			wrong("already set in line %d", first)
			continue
		}
		lines[key.Value] = key.Line
		text, err := scalar(value, flag.IsSlice())
		if err != nil {
			wrong("%w", err)
			continue
		}
		entries[key.Value] = entry{text, label}
	}
	return entries, faults
}

// scalar returns the value of a node as it would be written in a flag.
func scalar(node *yaml.Node, list bool) (string, error) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null":
		return "", errors.New(`the value is missing: write "" for an empty one`)
	case node.Kind == yaml.ScalarNode:
		return node.Value, nil
	case node.Kind == yaml.SequenceNode && list:
		var words []string
		for _, item := range node.Content {
			word, err := scalar(item, false)
			if err != nil {
				return "", err
			}
			words = append(words, word)
		}
		return strings.Join(words, ","), nil
	case list:
		return "", errors.New("not a value or a list of values")
	}
	return "", errors.New("not a single value")
}

// readBounded returns the content of a file of at most maxFile bytes.
func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return text, err
}
