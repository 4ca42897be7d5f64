package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// help prints what the command line asked for.
func (p *parser) help() error { return p.ctx.PrintUsage(false) }

// printHelp prints the help of a command. The help of the program is the list of
// commands, and the help of the default command.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil || ctx.Selected() != nil {
		return err
	}
	serve := ctx.Model.DefaultCmd
	if _, err := fmt.Fprintf(ctx.Stdout, "\nFlags of %s, with or without the word:\n", serve.Name); err != nil {
		return err
	}
	options.NoAppSummary = true
	ctx.Path = append(ctx.Path, &kong.Path{Parent: ctx.Model.Node, Command: serve, Flags: serve.Flags})
	return kong.DefaultHelpPrinter(options, ctx)
}

// describe returns the help of a flag or argument, with its default and variable.
func (p *parser) describe(v *kong.Value) string {
	var b strings.Builder
	b.WriteString(v.Help)
	if v.Default != "" {
		fmt.Fprintf(&b, " (default %s)", v.Default)
	}
	if flag, ok := p.sources.settings[v.Name]; ok && flag.Value == v {
		fmt.Fprintf(&b, " [%s]", variable(v.Name))
	}
	return b.String()
}
