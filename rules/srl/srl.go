// Package srl translates programs in SRL, the Simple Ruleset Language of RFC
// 2723, into rule sets in YAML.
package srl

import (
	"fmt"
	"slices"

	"flowmeter/meter/conf"
	"flowmeter/rules"
)

// Translate returns the YAML of a program: a file of rules with one rule set
// of the given name. Mistakes are conf.Errors, all of them, in file.
func Translate(file, name string, src []byte) ([]byte, error) {
	errs := &mistakes{file: file}
	p := parse(string(src), errs)
	bind(p, errs)
	if err := errs.err(); err != nil {
		return nil, err
	}
	out := translate(p, name, errs)
	if err := errs.err(); err != nil {
		return nil, err
	}
	text := out.text()
	if err := check(file, text); err != nil {
		return nil, err
	}
	return text, nil
}

// check reads what was written: programs can be larger than rules may be.
func check(file string, text []byte) error {
	v, c := conf.Parse(file+", translated", text)
	if c.Err() == nil {
		rules.ParseFile(v, rules.DefaultNetworks())
	}
	return c.Err()
}

// mistakes collects mistakes.
type mistakes struct {
	file string
	list conf.Errors
}

const maxErrors = 100

func (e *mistakes) add(p pos, hint, format string, args ...any) {
	if len(e.list) < maxErrors {
		e.list = append(e.list, conf.Error{File: e.file, Line: p.line, Col: p.col, Msg: fmt.Sprintf(format, args...), Hint: hint})
	}
}

// once reports a mistake in a place that had none before.
func (e *mistakes) once(p pos, hint, format string, args ...any) {
	known := slices.ContainsFunc(e.list, func(o conf.Error) bool { return o.Line == p.line && o.Col == p.col })
	if !known {
		e.add(p, hint, format, args...)
	}
}

func (e *mistakes) err() error {
	c := conf.Collector{Errors: e.list}
	return c.Err()
}
