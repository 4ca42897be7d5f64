package cli

import "context"

// commands is the command line. A command is one field here: a type whose
// exported fields are its flags and arguments, described by their tags, and whose
// method run does the work. Everything else (help, errors, exit codes) follows.
//
// The flags of a command with the tag settings are read from the environment and
// the configuration file as well.
type commands struct {
	Serve   serve   `cmd:"" default:"withargs" settings:"" help:"Run the service. This is the default."`
	Tail    tail    `cmd:"" help:"Follow an event stream, of this or any other server."`
	Ping    ping    `cmd:"" help:"Send a message to everybody who follows a running service."`
	Version version `cmd:"" help:"Print the version of this program."`
}

// A command does the work of one word on the command line.
type command interface {
	// run runs the command once its flags are set. Its error becomes a line on
	// the standard error, and an exit code if it is an [exitError].
	run(ctx context.Context, env Env) error
}

// A checker is a command with rules that concern several flags at once.
type checker interface {
	// check returns every fault that it finds, joined. It is called even if some
	// flags are wrong; these have their zero values.
	check() error
}
