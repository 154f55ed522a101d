// Package web serves what a running meter shows of itself over HTTP: metrics,
// health, status and live flows, and the orders that it takes. TLS, client
// certificates and basic authentication are those of Prometheus' exporters
// (github.com/prometheus/exporter-toolkit).
package web

import (
	"errors"
	"fmt"

	toolkit "github.com/prometheus/exporter-toolkit/web"

	"flowmeter/exporters"
	"flowmeter/meter/conf"
)

// Config says where pages are served, to whom, and which.
type Config struct {
	Listen        []string // host:port
	SystemdSocket bool     // in place of Listen: the sockets that systemd hands over
	ConfigFile    string   // exporter-toolkit's: TLS, client certificates, basic authentication; may be empty
	Control       bool     // show live flows and take orders
	PProf         bool     // serve profiles of the program
}

// DefaultListen is of this machine only.
const DefaultListen = "127.0.0.1:9469"

// maxListen bounds the addresses of one server.
const maxListen = 64

// Default serves to the machine itself, and takes no orders.
func Default() Config { return Config{Listen: []string{DefaultListen}} }

// Validate returns what is wrong with the configuration, or nil. It reads
// ConfigFile and the files that are named there.
func (c *Config) Validate() error {
	var errs []error
	if n := len(c.Listen); n > maxListen || n == 0 && !c.SystemdSocket {
		errs = append(errs, fmt.Errorf("%d addresses to listen on; 1 to %d", n, maxListen))
	}
	for _, address := range c.Listen {
		errs = append(errs, exporters.CheckAddress(address))
	}
	return errors.Join(append(errs, checkFile(c.ConfigFile))...)
}

func checkFile(path string) error {
	if err := toolkit.Validate(path); err != nil {
		return fmt.Errorf("web configuration %s: %w", path, err)
	}
	return nil
}

// Parse reads the section `web` of a configuration.
func Parse(v conf.Value) Config {
	c := Default()
	if !v.IsNull() {
		keys := c.addressKeys()
		keys["systemd_socket"] = func(v conf.Value) { c.SystemdSocket = v.Bool() }
		keys["control"] = func(v conf.Value) { c.Control = v.Bool() }
		keys["pprof"] = func(v conf.Value) { c.PProf = v.Bool() }
		v.Map(keys)
	}
	return c
}

// ParseMetrics reads the exporter `prometheus`, which is the same server and
// knows fewer keys.
func ParseMetrics(v conf.Value) Config {
	c := Default()
	if !v.IsNull() {
		v.Map(c.addressKeys())
	}
	return c
}

// addressKeys returns how the keys are read that say where pages are served
// and to whom.
func (c *Config) addressKeys() conf.Fields {
	return conf.Fields{
		"listen": func(v conf.Value) {
			c.Listen = v.Strings()
			trial := Config{Listen: c.Listen}
			if err := trial.Validate(); err != nil {
				v.Errorf("for example "+DefaultListen, "%v", err)
			}
		},
		"config_file": func(v conf.Value) {
			c.ConfigFile = v.Str()
			if err := checkFile(c.ConfigFile); err != nil {
				v.Errorf("", "%v", err)
			}
		},
	}
}
