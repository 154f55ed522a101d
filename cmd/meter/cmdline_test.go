package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"flowmeter/deploy/commandline"
)

func commandLine(t *testing.T) *commandline.Model {
	t.Helper()
	parser, err := kong.New(&cli{}, kong.Name("meter"))
	if err != nil {
		t.Fatal(err)
	}
	return commandline.New(parser.Model)
}

// TestCommandLineFiles keeps the manual page and the completions of deploy.
func TestCommandLineFiles(t *testing.T) {
	m := commandLine(t)
	for file := range commandline.Files() {
		want, err := m.Write(file)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("../../deploy", file)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s is not what the command line says; renew it with -update (-want +got):\n%s", path, diff)
		}
	}
}

// TestCommandLineWords tries the words that flags are completed with: the
// program knows each of them.
func TestCommandLineWords(t *testing.T) {
	known := map[string]bool{}
	for _, c := range commandLine(t).Commands {
		for _, a := range c.Args {
			known[a.Name] = true
		}
		for _, f := range c.Flags {
			known[f.Long] = true
			if c.Name != "read" || f.Complete.Files {
				continue
			}
			for _, word := range f.Complete.Words {
				if status, _, stderr := meterRun(t, "read", "-q", "--"+f.Long, word, traces+"ssh.pcap"); status != exitOK {
					t.Errorf("--%s %s: status %d: %s", f.Long, word, status, stderr)
				}
			}
		}
	}
	for name := range commandline.Completes() {
		if !known[name] {
			t.Errorf("%s is completed, but no command has it", name)
		}
	}
}
