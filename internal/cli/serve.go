package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"github.com/fluxwire-go/fluxwire/internal/service"
)

// serve is the command that runs the service.
type serve struct {
	Config   string         `placeholder:"FILE" help:"Read settings from a file in YAML. Its keys are the flags, without dashes in front."`
	Settings service.Config `embed:""`
	LogLevel slog.Level     `default:"info" placeholder:"LEVEL" help:"Log messages of this level and above: debug, info, warn or error."`
}

// Help implements [kong.HelpProvider].
func (*serve) Help() string {
	return `A setting is a flag, a variable (in brackets below) or a key of the file; the
first of these that has it counts.

"off" switches off a duration or a limit; 0 means the same.`
}

func (c *serve) check() error { return c.Settings.Check() }

func (c *serve) run(ctx context.Context, env Env) error {
	cfg := c.Settings
	cfg.Logger = slog.New(slog.NewTextHandler(env.Stderr, &slog.HandlerOptions{Level: c.LogLevel}))
	if unknown := env.sources.unknown(); len(unknown) > 0 {
		cfg.Logger.Warn("unknown environment variables are ignored", "variables", strings.Join(unknown, ", "))
	}
	s, err := service.New(cfg)
	if err == nil {
		err = s.Run(ctx, func(addr net.Addr) { fmt.Fprint(env.Stdout, s.Welcome(addr)) })
	}
	switch e, _ := errors.AsType[*service.SettingError](err); {
	case e != nil:
		return wrongUsage("%s: %w", env.sources.ofFlag(e.Setting), e.Err)
	case err != nil:
		return &exitError{code: exitFailed, err: err, always: true}
	}
	return nil
}
