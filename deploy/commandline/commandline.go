// Package commandline writes what describes the command line outside the
// program: the manual page and the completions of bash, zsh and fish. All of
// them are made from the command line itself, so they name what it knows.
//
// The program does not carry any of this: the files stand in deploy/man and
// deploy/completions, and a test of cmd/meter keeps them fresh.
package commandline

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Model is the command line as the templates see it.
type Model struct {
	Name, Help string
	Commands   []Command
}

// Command is one of the commands.
type Command struct {
	Name   string
	Help   string // one sentence
	Detail string // what --help shows below the usage
	Flags  []Flag
	Args   []Arg
}

// Flag is a flag of a command.
type Flag struct {
	Long, Short string // without hyphens; Short is often empty
	Value       string // placeholder of its value; empty where it takes none
	Help        string
	Default     string
	Repeats     bool
	Complete    Complete
}

// Arg is a positional argument. All of them may name files.
type Arg struct {
	Name, Help string
	Repeats    bool
	Words      []string // beginnings other than a path
}

// Complete says how the value of a flag is completed.
type Complete struct {
	Files bool
	Words []string
}

// Completes says how values are completed, for flags by their names and for
// arguments by theirs, where the command line does not tell: a placeholder of
// FILE and an enumeration do.
func Completes() map[string]Complete {
	return map[string]Complete{
		"output":      {Files: true, Words: []string{"-", "csv:-", "ipfix://", "ipfix+tcp://", "netflow9://", "netflow5://"}},
		"orient":      {Words: []string{"initiator", "perimeter", "first"}},
		"decapsulate": {Words: []string{"none", "innermost"}},
		"biflow":      {Words: []string{"pair", "split"}},
		"times":       {Words: []string{"seconds", "milliseconds", "microseconds", "nanoseconds"}},
		"sort":        {Words: []string{"octets", "packets", "duration", "start"}},
		"from":        {Files: true, Words: []string{"udp://", "tcp://"}},
	}
}

// New reads the command line of a program. Hidden commands and flags are left
// out.
func New(app *kong.Application) *Model {
	m := &Model{Name: app.Name, Help: app.Help}
	for _, n := range app.Children {
		if !n.Hidden {
			m.Commands = append(m.Commands, command(n))
		}
	}
	return m
}

func command(n *kong.Node) Command {
	c := Command{Name: n.Name, Help: n.Help, Detail: n.Detail}
	for _, group := range n.AllFlags(true) {
		for _, f := range group {
			c.Flags = append(c.Flags, flagOf(f))
		}
	}
	// --help is the last of them, as nobody looks it up.
	slices.SortStableFunc(c.Flags, func(a, b Flag) int { return btoi(a.Long == "help") - btoi(b.Long == "help") })
	for _, p := range n.Positional {
		c.Args = append(c.Args, Arg{Name: p.Name, Help: p.Help, Repeats: p.IsCumulative(), Words: Completes()[p.Name].Words})
	}
	return c
}

func flagOf(f *kong.Flag) Flag {
	g := Flag{Long: f.Name, Help: f.Help, Default: f.Default, Repeats: f.IsCumulative(), Complete: Completes()[f.Name]}
	if f.Short != 0 {
		g.Short = string(f.Short)
	}
	if !f.IsBool() && !f.IsCounter() {
		g.Value = placeholder(f)
	}
	if g.Value == "FILE" {
		g.Complete.Files = true
	}
	if f.Enum != "" {
		g.Complete.Words = f.EnumSlice()
	}
	return g
}

// placeholder is the one that the flag was given, or its name.
func placeholder(f *kong.Flag) string {
	if f.PlaceHolder != "" {
		return f.PlaceHolder
	}
	return strings.ToUpper(f.Name)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Unguessed returns the names of the flags whose values cannot be completed.
func (c Command) Unguessed() []string {
	var names []string
	for _, f := range c.Flags {
		if f.Value != "" && !f.Complete.Files && f.Complete.Words == nil {
			names = append(names, f.Names()...)
		}
	}
	return names
}

// Names returns how the flag is written: --long, and -s if it has a letter.
func (f Flag) Names() []string {
	names := []string{"--" + f.Long}
	if f.Short != "" {
		names = append(names, "-"+f.Short)
	}
	return names
}
