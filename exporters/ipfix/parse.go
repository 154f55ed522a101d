package ipfix

import (
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/spool"
	"flowmeter/meter/conf"
	"flowmeter/meter/flow"
)

// precisions are the words of the key precision, in the order of
// flow.Precision.
var precisions = []string{"milliseconds", "seconds", "microseconds", "nanoseconds"}

// ParseConfig reads an item `ipfix:` of the list of exporters.
func ParseConfig(v conf.Value) Config {
	c := Default()
	keys := c.TemplateKeys()
	for name, read := range c.keys() {
		keys[name] = read
	}
	before := len(v.C.Errors)
	v.Map(keys)
	if err := c.Validate(); err != nil && len(v.C.Errors) == before {
		v.Errorf("", "%v", err)
	}
	return c
}

func tlsKeys(t *exporters.TLS) conf.Fields {
	return conf.Fields{
		"cert":        func(v conf.Value) { t.Cert = v.Str() },
		"key":         func(v conf.Value) { t.Key = v.Str() },
		"ca":          func(v conf.Value) { t.CA = v.Str() },
		"server_name": func(v conf.Value) { t.ServerName = v.Str() },
	}
}

// keys are those that only IPFIX has.
func (c *Config) keys() conf.Fields {
	return conf.Fields{
		"transport": func(v conf.Value) { c.Transport = Transport(v.Enum("udp", "tcp", "tls")) },
		"file": func(v conf.Value) {
			c.Transport, c.Path = File, v.Str()
		},
		"precision":  func(v conf.Value) { c.Precision = flow.Precision(v.Enum(precisions...)) },
		"enterprise": func(v conf.Value) { c.Enterprise = uint32(v.Int(1, 1<<32-1)) },
		"private":    func(v conf.Value) { c.Private = v.Enum("on", "off", "true", "false")%2 == 0 },
		"checksum":   func(v conf.Value) { c.Checksum = v.Bool() },
		"give_up":    func(v conf.Value) { c.GiveUp = v.Duration(time.Second, time.Hour) },
		"resend_overlap": func(v conf.Value) {
			c.Overlap = int(v.Int(0, 1<<30))
		},
		"tls":   func(v conf.Value) { v.Map(tlsKeys(&c.TLS)) },
		"spool": func(v conf.Value) { c.Spool = spool.ParseConfig(v) },
	}
}
