// Package netflow9 exports records as NetFlow version 9 (RFC 3954) over UDP.
package netflow9

import (
	"errors"
	"fmt"
	"time"

	"flowmeter/exporters"
	"flowmeter/meter/conf"
	"flowmeter/meter/flow"
)

// Config is the configuration of one NetFlow v9 exporter.
type Config struct {
	exporters.Common
	GiveUp time.Duration // longest wait for a collector whose name does not resolve, while traces are read
}

// Default returns the defaults: everything but the address.
func Default() Config {
	return Config{Common: exporters.DefaultCommon(), GiveUp: 10 * time.Second}
}

// Validate returns what is wrong with the configuration, or nil.
func (c *Config) Validate() error {
	errs := []error{c.CheckCollectors(), c.checkFields()}
	if c.MaxMessage < exporters.MinMessage || c.MaxMessage > 65507 {
		errs = append(errs, fmt.Errorf("max_message is %d to 65507 octets, not %d", exporters.MinMessage, c.MaxMessage))
	}
	return errors.Join(errs...)
}

// checkFields finds fields that are unknown or that NetFlow v9 has no type for.
func (c *Config) checkFields() error {
	model := flow.Model(flow.ToMillis)
	if err := exporters.CheckFields(c.Fields, model); err != nil {
		return err
	}
	for _, name := range c.Fields {
		for i := range model {
			if model[i].Name == name && model[i].V9 == 0 {
				return fmt.Errorf("field %q: NetFlow v9 has no type for it", name)
			}
		}
	}
	return nil
}

// ParseConfig reads an item `netflow9:` of the list of exporters.
func ParseConfig(v conf.Value) Config {
	c := Default()
	before := len(v.C.Errors)
	v.Map(c.TemplateKeys())
	if err := c.Validate(); err != nil && len(v.C.Errors) == before {
		v.Errorf("", "%v", err)
	}
	return c
}
