package main

import (
	"path/filepath"
	"strings"

	"flowmeter/rules/srl"
)

type srl2yamlCmd struct {
	Program string `arg:"" help:"File with a program in SRL (RFC 2723)."`
}

// Help is shown below the usage.
func (*srl2yamlCmd) Help() string {
	return `Example:

  meter srl2yaml program.srl > rules.yaml
  meter read -r rules.yaml trace.pcap

All mistakes are printed at once, each with file, line and column; the exit
status is then 2.`
}

// Run prints the rules that mean what the program means.
func (c *srl2yamlCmd) Run(a *app) error {
	src, err := readFile(c.Program)
	if err != nil {
		return usageError{err}
	}
	base := filepath.Base(c.Program)
	yaml, err := srl.Translate(c.Program, strings.TrimSuffix(base, filepath.Ext(base)), src)
	if err != nil {
		return usageError{err}
	}
	_, err = a.stdout.Write(yaml)
	return err
}
