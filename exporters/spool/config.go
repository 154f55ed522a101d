// Package spool keeps messages for a collector that is away, in order: in
// memory while it keeps up, on disk as IPFIX files (RFC 5655) when it does not.
package spool

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"time"

	"flowmeter/meter/conf"
)

// Config says where a spool lies and how large it may become.
type Config struct {
	Dir        string        // of this spool alone; empty: none
	Size       int64         // octets of all its files
	Age        time.Duration // how long a message is kept
	Rate       int           // flow records a second from disk to a collector that is back; 0: no limit
	Enterprise uint32        // number of the one private element in its files
}

// MinSize is the smallest limit of a spool, in octets.
const MinSize = 1 << 20

// Default returns the defaults: everything but the directory.
func Default() Config {
	return Config{Size: 1 << 30, Age: 24 * time.Hour, Rate: 100_000}
}

// Validate returns what is wrong with the configuration, or nil.
func (c *Config) Validate() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("spool: no dir: for example /var/lib/meter/spool"))
	}
	if c.Size < MinSize {
		errs = append(errs, fmt.Errorf("spool: size is at least 1MiB, not %d octets", c.Size))
	}
	if c.Age < time.Second {
		errs = append(errs, fmt.Errorf("spool: age is at least 1s, not %v", c.Age))
	}
	return errors.Join(errs...)
}

// segmentSize is the octets after which a file is finished and the next one
// begun: a file is what is deleted when there is too much.
func (c *Config) segmentSize() int64 { return min(16<<20, c.Size/4) }

// Sub returns c for one of several collectors: in a directory of its own, by
// its address.
func (c Config) Sub(address string) Config {
	c.Dir = filepath.Join(c.Dir, strings.NewReplacer(":", "_", "[", "", "]", "", "/", "_", "%", "_").Replace(address))
	return c
}

// ParseConfig reads `spool:` of an exporter.
func ParseConfig(v conf.Value) Config {
	c := Default()
	before := len(v.C.Errors)
	v.Map(conf.Fields{
		"dir":  func(v conf.Value) { c.Dir = v.Str() },
		"size": func(v conf.Value) { c.Size = v.Size(0, math.MaxInt64) },
		"age":  func(v conf.Value) { c.Age = v.Duration(time.Second, 366*24*time.Hour) },
		"rate": func(v conf.Value) { c.Rate = int(v.Int(0, 1e9)) },
	})
	if err := c.Validate(); err != nil && len(v.C.Errors) == before {
		v.Errorf("", "%v", err)
	}
	return c
}
