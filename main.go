// Fluxwire serves typed, reactive event streams over HTTP, and follows them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fluxwire-go/fluxwire/internal/cli"
	"github.com/fluxwire-go/fluxwire/internal/service"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// runService runs the service until ctx ends. It returns the exit code: 2 for a
// command line that is wrong, 1 for a service that fails.
func runService(ctx context.Context, args []string, env func(string) (string, bool), stdout, stderr io.Writer) int {
	wrong := func(err error) int {
		fmt.Fprintf(stderr, "fluxwire: %v (fluxwire --help lists the flags)\n", err)
		return 2
	}
	cfg, err := parse(args, env, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage())
		return 0
	case err != nil:
		return wrong(err)
	}
	s, err := service.New(cfg)
	if _, ok := errors.AsType[*service.SettingError](err); ok {
		return wrong(err)
	}
	if err == nil {
		err = s.Run(ctx, func(addr net.Addr) { fmt.Fprint(stdout, s.Welcome(addr)) })
	}
	if err != nil {
		fmt.Fprintf(stderr, "fluxwire: %v\n", err)
		return 1
	}
	return 0
}

// options are the flags as they are written.
type options struct {
	config    service.Config
	logLevel  slog.Level
	heartbeat time.Duration
	maxAge    time.Duration
	pace      time.Duration
	origins   string
	proxies   string
}

func flags(o *options) *flag.FlagSet {
	fs := flag.NewFlagSet("fluxwire", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.config.Addr, "addr", ":8080", "`address` to listen on")
	fs.StringVar(&o.config.AdminAddr, "admin-addr", "", "`address` for health, metrics and pprof; without it health and metrics are beside the rest")
	fs.TextVar(&o.logLevel, "log-level", slog.LevelInfo, "`level` from which on to log: debug, info, warn or error")
	fs.DurationVar(&o.heartbeat, "heartbeat", 15*time.Second, "`silence` after which a stream sends a heartbeat; 0 for none")
	fs.DurationVar(&o.maxAge, "max-age", time.Hour, "`age`, give or take a tenth, at which a stream is ended for its client to connect again; 0 for none")
	fs.IntVar(&o.config.MaxStreams, "max-streams", 100_000, "`number` of streams that may be open at a time; 0 for no limit")
	fs.IntVar(&o.config.MaxStreamsPerSubject, "max-streams-per-client", 100, "`number` of streams that one client's address may have open; 0 for no limit")
	fs.StringVar(&o.proxies, "trusted-proxies", "", "`addresses` of proxies whose X-Forwarded-For is believed, as in 10.0.0.0/8,::1, separated by commas")
	fs.DurationVar(&o.config.DrainDelay, "drain-delay", 0, "`time` between the signal to stop, from when on /healthz/ready says 503, and the end of the streams")
	fs.TextVar(&o.config.Transport, "transport", o.config.Transport, "`name` of how event streams of topics are carried: fast, portable, or auto, which is fast wherever that can be")
	fs.DurationVar(&o.pace, "pace", 2*time.Millisecond, "`rest` of the fast transport after each time that it has written to all; what comes meanwhile leaves in one write; 0 for none")
	fs.StringVar(&o.origins, "cors-origin", "*", "`origins` whose pages may read the streams, separated by commas; * is every origin, empty is none")
	fs.StringVar(&o.config.TLSCert, "tls-cert", "", "`file` of the certificate chain (PEM): serve TLS and HTTP/2")
	fs.StringVar(&o.config.TLSKey, "tls-key", "", "`file` of the certificate's key (PEM)")
	return fs
}

// parse reads the flags from args, and those not given there from the
// environment: --log-level from FLUXWIRE_LOG_LEVEL, and so on.
func parse(args []string, env func(string) (string, bool), stderr io.Writer) (service.Config, error) {
	var o options
	fs := flags(&o)
	if err := fs.Parse(args); err != nil {
		return service.Config{}, err
	}
	var errs []error
	if fs.NArg() > 0 {
		errs = append(errs, fmt.Errorf("unknown argument %q", fs.Arg(0)))
	}
	given := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	fs.VisitAll(func(f *flag.Flag) {
		if value, ok := env(envName(f)); ok && !given[f.Name] {
			if err := fs.Set(f.Name, value); err != nil {
				errs = append(errs, fmt.Errorf("%s=%q: %w", envName(f), value, err))
			}
		}
	})
	for _, d := range []struct {
		flag  string
		value *time.Duration
	}{{"--heartbeat", &o.heartbeat}, {"--max-age", &o.maxAge}, {"--pace", &o.pace}} {
		switch {
		case *d.value < 0:
			errs = append(errs, fmt.Errorf("%s: %v is negative; 0 switches it off", d.flag, *d.value))
		case *d.value == 0:
			*d.value = -1 // off, where 0 would be the default
		}
	}
	for name, n := range map[string]*int{"max-streams": &o.config.MaxStreams, "max-streams-per-client": &o.config.MaxStreamsPerSubject} {
		switch {
		case *n < 0:
			errs = append(errs, fmt.Errorf("--%s: %d is negative; 0 is no limit", name, *n))
		case *n == 0:
			*n = -1
		}
	}
	if o.config.DrainDelay < 0 {
		errs = append(errs, fmt.Errorf("--drain-delay: %v is negative", o.config.DrainDelay))
	}
	for text := range list(o.proxies) {
		prefix, err := parsePrefix(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("--trusted-proxies: %q is no address and no range of them: write it as in 10.0.0.0/8", text))
			continue
		}
		o.config.TrustedProxies = append(o.config.TrustedProxies, prefix)
	}
	if (o.config.TLSCert == "") != (o.config.TLSKey == "") {
		errs = append(errs, errors.New("--tls-cert and --tls-key go together; give both"))
	}
	if len(errs) > 0 {
		return service.Config{}, errs[0]
	}
	o.config.Heartbeat, o.config.MaxAge, o.config.Pace = o.heartbeat, o.maxAge, o.pace
	o.config.Origins = slices.Collect(list(o.origins))
	o.config.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: o.logLevel}))
	return o.config, nil
}

// list ranges over the words of a comma-separated list.
func list(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for word := range strings.SplitSeq(s, ",") {
			if word = strings.TrimSpace(word); word != "" && !yield(word) {
				return
			}
		}
	}
}

// parsePrefix reads a range of addresses, or one address as a range of itself.
func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Prefix(addr.BitLen())
	}
	return netip.ParsePrefix(s)
}

func envName(f *flag.Flag) string {
	return "FLUXWIRE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

func usage() string {
	var b strings.Builder
	b.WriteString("fluxwire serves typed, reactive event streams over HTTP.\n\nUsage: fluxwire [COMMAND] [flags]\n\n")
	fmt.Fprintf(&b, "  %-6s runs the service; so does no command\n", "serve")
	for _, c := range cli.Commands {
		fmt.Fprintf(&b, "  %-6s %s\n", c.Name, c.About)
	}
	fmt.Fprintf(&b, "  %-6s what --help says of a command, as in fluxwire help tail\n\nFlags of the service:\n\n", "help")
	fs := flags(new(options))
	fs.VisitAll(func(f *flag.Flag) {
		kind, text := flag.UnquoteUsage(f)
		fmt.Fprintf(&b, "  --%s %s\n        %s", f.Name, kind, text)
		if f.DefValue != "" {
			fmt.Fprintf(&b, " (default %s)", f.DefValue)
		}
		fmt.Fprintf(&b, " [%s]\n", envName(f))
	})
	return b.String()
}
