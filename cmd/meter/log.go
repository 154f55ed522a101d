package main

import "flowmeter/cmd/meter/internal/logs"

// logFlags win over the section log of a configuration.
type logFlags struct {
	Format string `name:"log.format" placeholder:"FORMAT" help:"How the log is written: text, json or journal; auto finds out."`
	Level  string `name:"log.level" placeholder:"LEVEL" help:"The least that is logged: debug, info, warn or error."`
}

// over puts the flags over what the configuration says.
func (f *logFlags) over(c logs.Config) (logs.Config, error) {
	if f.Format != "" {
		if err := c.SetFormat(f.Format); err != nil {
			return c, usageError{err}
		}
	}
	if f.Level != "" {
		if err := c.SetLevel(f.Level); err != nil {
			return c, usageError{err}
		}
	}
	return c, nil
}

// openLog makes a.log what a service has. At its end the function returned
// writes what was held back.
func (a *app) openLog(c logs.Config) (flush func()) {
	a.log, flush = logs.New(a.stderr, c)
	return flush
}
