// Package netflow5 exports records as NetFlow version 5 over UDP: IPv4 only,
// a record for each direction.
package netflow5

import (
	"errors"
	"fmt"
	"time"

	"flowmeter/exporters"
	"flowmeter/meter/conf"
)

// Config is the configuration of one NetFlow v5 exporter. Of what it shares
// with the others, Biflow, Fields, Refresh and Domain mean nothing.
type Config struct {
	exporters.Common
	EngineType uint8
	EngineID   uint8
	GiveUp     time.Duration // longest wait for a collector whose name does not resolve, while traces are read
}

// largest is a packet of 30 records, the most that version 5 allows.
const largest = headerSize + 30*recordSize

// Default returns the defaults: everything but the address.
func Default() Config {
	c := Config{Common: exporters.DefaultCommon(), GiveUp: 10 * time.Second}
	c.MaxMessage = largest
	return c
}

// Validate returns what is wrong with the configuration, or nil.
func (c *Config) Validate() error {
	errs := []error{c.CheckCollectors()}
	if c.MaxMessage < exporters.MinMessage {
		errs = append(errs, fmt.Errorf("max_message is at least %d octets, not %d", exporters.MinMessage, c.MaxMessage))
	}
	return errors.Join(errs...)
}

// perPacket returns how many records fit into a packet.
func (c *Config) perPacket() int { return (min(c.MaxMessage, largest) - headerSize) / recordSize }

// ParseConfig reads an item `netflow5:` of the list of exporters.
func ParseConfig(v conf.Value) Config {
	c := Default()
	keys := c.Keys()
	keys["engine"] = func(v conf.Value) {
		v.Map(conf.Fields{
			"type": func(v conf.Value) { c.EngineType = uint8(v.Int(0, 255)) },
			"id":   func(v conf.Value) { c.EngineID = uint8(v.Int(0, 255)) },
		})
	}
	before := len(v.C.Errors)
	v.Map(keys)
	if err := c.Validate(); err != nil && len(v.C.Errors) == before {
		v.Errorf("", "%v", err)
	}
	return c
}
