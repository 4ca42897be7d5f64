package cli

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/fluxwire-go/fluxwire/internal/service"
)

// A fault is something wrong with the command line, a variable or the
// configuration file.
type fault struct {
	source string // where the value comes from: a flag, a variable, a line of a file; may be empty
	err    error
	code   int // Defaults to exitUsage.
}

func (f fault) String() string {
	if f.source == "" {
		return f.err.Error()
	}
	return f.source + ": " + f.err.Error()
}

// A parser reads one command line. kong holds the description of the commands and
// splits the arguments; kong stops at the first fault, the parser collects all.
type parser struct {
	env     Env
	kong    *kong.Kong
	sources *sources
	ctx     *kong.Context // of the last trace

	words  []fault // arguments that mean nothing
	values []fault // values that are wrong
}

func newParser(env Env) *parser {
	p := &parser{env: env}
	p.kong = kong.Must(new(commands),
		kong.Name("fluxwire"),
		kong.Description("Fluxwire serves typed, reactive event streams over HTTP, and follows them."),
		kong.Writers(env.Stdout, env.Stderr),
		kong.Help(printHelp),
		kong.ValueFormatter(p.describe),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 80}),
		mappers,
	)
	p.kong.Model.HelpFlag.Hidden = true // the last line of the help names it
	for _, node := range p.kong.Model.Children {
		for _, value := range node.Values() {
			value.Mapper = checked{value.Mapper, p}
		}
	}
	p.sources = newSources(p.kong.Model, env.Environ)
	return p
}

// negative matches an argument that begins like a negative number.
var negative = regexp.MustCompile(`^-[0-9]`)

// checked is a mapper that tells its parser of a wrong value, and lets kong read
// the rest.
type checked struct {
	kong.Mapper
	p *parser
}

func (m checked) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	if !ctx.Value.IsBool() && negative.MatchString(ctx.Scan.Peek().String()) {
		ctx.Scan.PushTyped(ctx.Scan.Pop().Value, kong.FlagValueToken) // a number, not a flag
	}
	err := errors.New("the value is missing")
	if ctx.Value.IsBool() || ctx.Scan.Peek().IsValue() {
		err = m.Mapper.Decode(ctx, target)
	}
	for _, err := range split(err) {
		m.p.values = append(m.p.values, fault{source: m.p.sources.of(ctx.Value), err: err})
	}
	return nil
}

// parse sets the fields of the command that args select, and returns it. It
// returns neither a command nor faults if args ask for help.
func (p *parser) parse(args []string) (command, []fault) {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") && !p.isCommand(args[0]) {
		return nil, []fault{{err: fmt.Errorf("unknown command %q%s", args[0], didYouMean(args[0], p.names()))}}
	}
	p.trace(args)
	if slices.ContainsFunc(p.ctx.Path, func(at *kong.Path) bool { return at.Flag == p.kong.Model.HelpFlag }) {
		return nil, nil
	}
	node := p.ctx.Selected()
	if node == nil { // trace has a fault that explains it
		return nil, slices.Concat(p.words, p.values)
	}
	p.words = slices.Concat(p.words, p.missing(node), p.sources.load(p.ctx, node))
	p.ctx.AddResolver(p.sources)
	must(p.ctx.Reset())   // no default is wrong, or no test passes
	must(p.ctx.Resolve()) // checked tells of wrong values
	_, err := p.ctx.Apply()
	must(err)

	cmd := node.Target.Addr().Interface().(command)
	faults := slices.Concat(p.words, p.values)
	if c, ok := cmd.(checker); ok {
		for _, err := range split(c.check()) {
			if e, ok := errors.AsType[*service.SettingError](err); ok {
				faults = append(faults, fault{source: p.sources.ofFlag(e.Setting), err: e.Err})
				continue
			}
			faults = append(faults, fault{err: err})
		}
	}
	if len(faults) == 0 {
		for _, err := range split(p.ctx.Validate()) {
			faults = append(faults, fault{err: err})
		}
	}
	return cmd, faults
}

// trace has kong split args. Where kong stops at an argument, trace notes the
// fault and continues without that argument.
func (p *parser) trace(args []string) {
	guess := false // an argument may be the value of an unknown flag
	for {
		p.values = nil
		ctx, err := kong.Trace(p.kong, args)
		if err = cmp.Or(err, ctx.Error); err == nil {
			p.ctx = ctx
			return
		}
		p.ctx = ctx
		at := len(args) - len(ctx.Path[len(ctx.Path)-1].Remainder())
		if at < 0 || at >= len(args) {
			p.words = append(p.words, fault{err: err})
			return
		}
		switch word := args[at]; {
		case len(word) > 1 && word[0] == '-':
			name, _, assigned := strings.Cut(word, "=")
			p.words = append(p.words, fault{err: fmt.Errorf("unknown flag %s%s", name, didYouMean(name, p.flags(ctx)))})
			guess = guess || !assigned
		case ctx.Selected() == nil && p.isCommand(word):
			p.words = append(p.words, fault{err: fmt.Errorf("the flags before the command %q belong to serve: write the command first", word)})
			return
		case !guess:
			p.words = append(p.words, fault{err: fmt.Errorf("unexpected argument %q", word)})
		}
		args = slices.Delete(slices.Clone(args), at, at+1)
	}
}

// missing returns a fault for each argument that node requires and has not been
// given.
func (p *parser) missing(node *kong.Node) (faults []fault) {
	if len(p.words) > 0 {
		return nil // the argument may be there, after a flag that is unknown
	}
	for _, arg := range node.Positional {
		if arg.Required && !arg.Set {
			faults = append(faults, fault{err: fmt.Errorf("the argument <%s> is missing", arg.Name)})
		}
	}
	return faults
}

// refuse writes a line for each fault, and returns the exit code: exitUsage unless
// all faults have another.
func (p *parser) refuse(faults []fault) int {
	prefix, help := "", "fluxwire --help"
	if p.ctx != nil {
		if node := p.ctx.Selected(); node != nil && node != p.kong.Model.DefaultCmd {
			prefix, help = node.Name+": ", "fluxwire "+node.Name+" --help"
		}
	}
	code := exitFailed
	for i, f := range faults {
		text := prefix + f.String()
		if f.code == 0 {
			code = exitUsage
		}
		if i == len(faults)-1 && code == exitUsage {
			text += " (" + help + " lists the flags)"
		}
		complain(p.env.Stderr, text)
	}
	return code
}

func (p *parser) isCommand(name string) bool { return slices.Contains(p.names(), name) }

// names returns the names of the commands.
func (p *parser) names() (names []string) {
	for _, node := range p.kong.Model.Children {
		names = append(names, node.Name)
	}
	return names
}

// flags returns the flags of the command that ctx has selected, with dashes.
func (p *parser) flags(ctx *kong.Context) (names []string) {
	node := ctx.Selected()
	if node == nil {
		node = p.kong.Model.DefaultCmd
	}
	for _, flag := range node.Flags {
		names = append(names, "--"+flag.Name)
	}
	return names
}

// split returns the errors that are joined in err.
func split(err error) []error {
	switch e := err.(type) {
	case nil:
		return nil
	case interface{ Unwrap() []error }:
		return e.Unwrap()
	}
	return []error{err}
}

func must(err error) {
	if err != nil {
		panic("cli: " + err.Error())
	}
}
