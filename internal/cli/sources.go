package cli

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// envPrefix begins the names of the variables that are settings.
const envPrefix = "FLUXWIRE_"

// configFlag is the flag that names the configuration file.
const configFlag = "config"

// variable returns the name of the variable for a flag: FLUXWIRE_LOG_LEVEL for
// log-level.
func variable(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// sources gives kong the settings that are not on the command line: from the
// environment, or else from the configuration file. It knows where each value
// comes from.
type sources struct {
	environ  map[string]string // the variables that begin with envPrefix
	settings map[string]*kong.Flag
	file     map[string]entry
	labels   map[*kong.Value]string // values that are not from the command line
}

func newSources(model *kong.Application, environ []string) *sources {
	s := &sources{
		environ:  make(map[string]string),
		settings: make(map[string]*kong.Flag),
		labels:   make(map[*kong.Value]string),
	}
	for _, node := range model.Children {
		if node.Tag.Has("settings") {
			for _, flag := range node.Flags {
				s.settings[flag.Name] = flag
			}
		}
	}
	for _, v := range environ {
		if name, value, ok := strings.Cut(v, "="); ok && strings.HasPrefix(name, envPrefix) {
			s.environ[name] = value
		}
	}
	return s
}

// load reads the configuration file, if node has settings and there is a file.
func (s *sources) load(ctx *kong.Context, node *kong.Node) (faults []fault) {
	if !node.Tag.Has("settings") {
		return nil
	}
	source, name := "variable "+variable(configFlag), s.environ[variable(configFlag)]
	if slices.ContainsFunc(ctx.Path, func(at *kong.Path) bool { return at.Flag == s.settings[configFlag] }) {
		source, name = "--"+configFlag, ctx.FlagValue(s.settings[configFlag]).(string)
	}
	if name == "" {
		return nil
	}
	s.file, faults = readFile(source, name, s.settings)
	return faults
}

// Validate implements [kong.Resolver]. load has checked the file.
func (s *sources) Validate(*kong.Application) error { return nil }

// Resolve implements [kong.Resolver].
func (s *sources) Resolve(_ *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	if parent.Command == nil || !parent.Command.Tag.Has("settings") {
		return nil, nil
	}
	name := variable(flag.Name)
	if value, ok := s.environ[name]; ok {
		s.labels[flag.Value] = "variable " + name
		return value, nil
	}
	if e, ok := s.file[flag.Name]; ok {
		s.labels[flag.Value] = e.label
		return e.value, nil
	}
	return nil, nil
}

// of says where the value of v comes from.
func (s *sources) of(v *kong.Value) string {
	if label, ok := s.labels[v]; ok {
		return label
	}
	return v.ShortSummary()
}

// ofFlag says where the value of the setting with this flag comes from.
func (s *sources) ofFlag(name string) string {
	if flag, ok := s.settings[name]; ok {
		return s.of(flag.Value)
	}
	return "--" + name
}

// unknown returns the variables that look like settings and are not, sorted, with
// the setting that each may mean. Variables of the tests are left out.
func (s *sources) unknown() (names []string) {
	var known []string
	for name := range s.settings {
		known = append(known, strings.TrimPrefix(variable(name), envPrefix))
	}
	slices.Sort(known) // so that the suggestion is the same each time
	for name := range s.environ {
		rest := strings.TrimPrefix(name, envPrefix)
		if slices.Contains(known, rest) || rest == "REQUIRE_ALL" || strings.HasPrefix(rest, "TEST_") {
			continue
		}
		if best := similar(rest, known); best != "" {
			name += " (did you mean " + envPrefix + best + "?)"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// A Setting is a setting of the service: a flag, a variable and a key of the
// configuration file.
type Setting struct {
	Flag     string // without dashes; also the key in the configuration file
	Variable string
	Default  string // may be empty
	Help     string
}

// Settings returns the settings of the service, in the order of the help.
func Settings() (settings []Setting) {
	for _, node := range newParser(Env{}).kong.Model.Children {
		if !node.Tag.Has("settings") {
			continue
		}
		for _, flag := range node.Flags {
			settings = append(settings, Setting{flag.Name, variable(flag.Name), flag.Default, flag.Help})
		}
	}
	return settings
}
