// Package logs writes what a service has to say: as text, as JSON or for the
// journal, and not the same thing over and over.
package logs

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"flowmeter/meter/conf"
)

// Format is how a line of the log looks.
type Format uint8

const (
	Auto    Format = iota // Journal where standard error is the journal, else Text
	Text                  // key=value, for terminals
	JSON                  // one object a line
	Journal               // key=value behind a priority, without the time: the journal has its own
)

// formats and levels are the words for them, in the order of their values.
var (
	formats    = []string{"auto", "text", "json", "journal"}
	levelWords = []string{"debug", "info", "warn", "error"}
	levels     = []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
)

// Config says what is logged, and how.
type Config struct {
	Format Format
	Level  slog.Level // the least that is logged
	Limit  Limit
}

// Default logs from info on, in the form that fits where the log goes.
func Default() Config { return Config{Limit: DefaultLimit()} }

// Parse reads the section `log` of a configuration.
func Parse(v conf.Value) Config {
	c := Default()
	if !v.IsNull() {
		v.Map(conf.Fields{
			"format": func(v conf.Value) { c.Format = Format(v.Enum(formats...)) },
			"level":  func(v conf.Value) { c.Level = levels[v.Enum(levelWords...)] },
		})
	}
	return c
}

// SetFormat takes the word for a format.
func (c *Config) SetFormat(word string) error {
	i := slices.Index(formats, word)
	if i < 0 {
		return fmt.Errorf("log format %q: one of %s", word, strings.Join(formats, ", "))
	}
	c.Format = Format(i)
	return nil
}

// SetLevel takes the word for a level.
func (c *Config) SetLevel(word string) error {
	i := slices.Index(levelWords, word)
	if i < 0 {
		return fmt.Errorf("log level %q: one of %s", word, strings.Join(levelWords, ", "))
	}
	c.Level = levels[i]
	return nil
}
