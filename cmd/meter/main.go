// Command meter is a flow meter: it reads packets, tells flows apart by rule
// sets and exports bidirectional flow records.
package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit statuses.
const (
	exitOK      = 0
	exitPartial = 1 // an input was not read whole, an exporter lost records, or the balance is open
	exitUsage   = 2 // nothing was started: usage or configuration
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// app is what every command has: where it prints, and how it ends.
type app struct {
	stdout, stderr io.Writer
	log            *slog.Logger
	signals        chan os.Signal

	mu     sync.Mutex // of what several inputs may do at once
	status int
}

// cli is the command line.
type cli struct {
	Read     readCmd     `cmd:"" help:"Meter trace files and print their flows."`
	Run      runCmd      `cmd:"" help:"Meter the inputs of a configuration and serve metrics."`
	Check    checkCmd    `cmd:"" help:"Check a configuration and say what would run."`
	Explain  explainCmd  `cmd:"" help:"Say for packets of trace files which rules were tried and why they were counted."`
	Collect  collectCmd  `cmd:"" help:"Receive IPFIX or NetFlow and print it as JSON lines."`
	Srl2yaml srl2yamlCmd `cmd:"" name:"srl2yaml" help:"Translate a program in SRL (RFC 2723) into rules."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// usageError is a mistake on the command line or in a configuration: nothing
// was started.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// run is the whole program but for os.Exit.
func run(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdout: stdout, stderr: stderr, signals: make(chan os.Signal, 1)}
	a.log = slog.New(slog.NewTextHandler(stderr, nil))
	// A reader that went away shows as an error of the write, not as a signal.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signal.Notify(a.signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(a.signals)

	exited := -1
	parser, err := kong.New(&cli{}, kong.Name("meter"), kong.Writers(stdout, stderr),
		kong.Description("A flow meter: packets in, bidirectional flow records out."),
		kong.Exit(func(code int) { exited = code }), kong.UsageOnError(), kong.Bind(a))
	if err != nil {
		return a.fail(usageError{err})
	}
	ctx, err := parser.Parse(args)
	if exited >= 0 { // --help has been printed
		return exited
	}
	if err != nil {
		return a.fail(usageError{fmt.Errorf("%s; see %s --help", explained(err, args), commandOf(parser, args))})
	}
	if err := ctx.Run(a); err != nil {
		return a.fail(err)
	}
	return a.status
}

// commandOf returns the program and its command, as far as the arguments name
// one.
func commandOf(parser *kong.Kong, args []string) string {
	for _, n := range parser.Model.Children {
		if len(args) > 0 && n.Name == args[0] {
			return "meter " + n.Name
		}
	}
	return "meter"
}

// fail prints an error, line by line, and returns the exit status.
func (a *app) fail(err error) int {
	if errors.Is(err, syscall.EPIPE) {
		return exitOK
	}
	fmt.Fprintf(a.stderr, "meter: %v\n", err)
	if errors.As(err, &usageError{}) {
		return exitUsage
	}
	return exitPartial
}

// partial notes that the command did its work, but not all of it.
func (a *app) partial(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fmt.Fprintf(a.stderr, "meter: %v\n", err)
	a.status = exitPartial
}
