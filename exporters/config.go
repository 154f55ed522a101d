package exporters

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"time"

	"flowmeter/meter/conf"
	"flowmeter/meter/flow"
)

// Biflow says how a bidirectional record is exported.
type Biflow uint8

const (
	Pair  Biflow = iota // one record with both directions
	Split               // a record for each direction that has packets
)

// Refresh says how often templates are repeated over UDP.
type Refresh struct {
	Time     time.Duration // 0: not by time
	Messages int           // 0: not by number
}

// Common is what the configurations of the wire exporters share.
type Common struct {
	Address    string       // host:port
	Addresses  []string     // of several collectors, in place of Address; who wires makes an exporter for each
	Mode       Mode         // which of them get a record
	Live       bool         // set by who wires: packets come from an interface, not from traces
	Sockets    *Sockets     // set by who wires: is told of connections; may be nil
	Log        *slog.Logger // set by who wires; nil: slog.Default
	Resolver   Resolver     // finds collectors over UDP; nil: the system's
	Domain     uint32       // observation domain (IPFIX), source id (v9); set by who wires
	Biflow     Biflow
	Fields     []string // names of the information model, in this order; empty: the default ones
	Rate       int      // records a second over UDP: AutoRate, 0 = no limit, or a number
	MaxMessage int      // octets of a message; 0: the transport's default
	Refresh    Refresh
	Queue      QueueConfig
}

const (
	udpMessage   = 1400 // fits Ethernet's 1500 with some tunnel headers
	blindMessage = 512  // RFC 7011 §10.3.3: path MTU unknown
)

// DefaultCommon returns the defaults.
func DefaultCommon() Common {
	return Common{
		Rate:       AutoRate,
		MaxMessage: udpMessage,
		Refresh:    Refresh{Time: 600 * time.Second, Messages: 1000},
		Queue:      DefaultQueue(),
	}
}

// RateOf returns the records a second that Rate stands for; 0 is no limit.
func (c *Common) RateOf() int {
	if c.Rate != AutoRate {
		return c.Rate
	}
	if c.Live {
		return 0
	}
	return DefaultRate
}

// Line returns how a collector is reached. Reading traces, the exporter gives
// up after giveUp; live, it never does, and takes a host that acknowledges
// nothing for half a minute for gone.
func (c *Common) Line(giveUp time.Duration) LineConfig {
	l := LineConfig{Address: c.Address, Sockets: c.Sockets, Resolver: c.Resolver, GiveUp: giveUp, MaxWait: time.Second}
	if c.Live {
		l.GiveUp, l.MaxWait, l.Silence = 0, 30*time.Second, 30*time.Second
	}
	return l
}

// Datagrams is Line for UDP: looking for a way costs little, and so is not put
// off for long. Live, where it never gives up, it says that it finds none.
func (c *Common) Datagrams(giveUp time.Duration) LineConfig {
	l := c.Line(giveUp)
	l.MaxWait = min(l.MaxWait, 5*time.Second)
	if c.Live {
		log := c.Logger().With("collector", c.Address)
		l.Failed = func(err error) { log.Warn("no way to the collector", "error", err) }
	}
	return l
}

// Logger returns where the exporter says what happens to it.
func (c *Common) Logger() *slog.Logger {
	if c.Log != nil {
		return c.Log
	}
	return slog.Default()
}

// CheckAddress returns an error that says what is wrong with a collector's
// address.
func CheckAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return fmt.Errorf("address %q: write host:port, with an IPv6 address in brackets", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("address %q: the port is a number from 1 to 65535", address)
	}
	return nil
}

// CheckFields returns an error if a name is not in the model, or stands twice.
func CheckFields(names []string, model []flow.Field) error {
	var known []string
	for i := range model {
		known = append(known, model[i].Name)
	}
	for i, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown field %q%s", name, didYouMean(conf.Nearest(name, known)))
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("field %q stands twice", name)
		}
	}
	return nil
}

func didYouMean(near string) string {
	if near == "" {
		return ""
	}
	return ": did you mean " + near + "?"
}

// Keys returns how the keys of the configuration file are read that all wire
// exporters know.
func (c *Common) Keys() conf.Fields {
	return conf.Fields{
		"address": func(v conf.Value) {
			c.Address = v.Str()
			if err := CheckAddress(c.Address); err != nil {
				v.Errorf("for example collector.example.net:4739", "%v", err)
			}
		},
		"addresses":   c.addresses,
		"mode":        func(v conf.Value) { c.Mode = Mode(v.Enum(modes...)) },
		"rate":        func(v conf.Value) { c.Rate = int(v.Int(0, 1e9)) },
		"max_message": func(v conf.Value) { c.MaxMessage = int(v.Int(MinMessage, 65507)) },
		"path_mtu": func(v conf.Value) {
			v.Enum("unknown")
			c.MaxMessage = blindMessage
		},
		"queue": func(v conf.Value) {
			v.Map(conf.Fields{"records": func(v conf.Value) { c.Queue.Records = int(v.Int(1, 1<<30)) }})
		},
	}
}

// addresses reads the addresses of several collectors.
func (c *Common) addresses(v conf.Value) {
	v.Each(func(item conf.Value) {
		address := item.Str()
		if err := CheckAddress(address); err != nil {
			item.Errorf("for example collector.example.net:4739", "%v", err)
		} else if slices.Contains(c.Addresses, address) {
			item.Errorf("remove one of the two", "address %q stands twice", address)
		}
		c.Addresses = append(c.Addresses, address)
	})
}

// CheckCollectors returns an error that says what is wrong with the address,
// or the addresses.
func (c *Common) CheckCollectors() error {
	switch {
	case len(c.Addresses) == 0 && c.Mode != All:
		return fmt.Errorf("mode: %v is for several collectors: addresses: [one:4739, two:4739]", c.Mode)
	case len(c.Addresses) == 0:
		return CheckAddress(c.Address)
	case c.Address != "":
		return errors.New("address and addresses: write one of the two")
	}
	return nil
}

// One returns c for one of its collectors.
func (c Common) One(address string) Common {
	c.Address, c.Addresses, c.Mode = address, nil, All
	return c
}

// Collectors returns the addresses of all collectors.
func (c *Common) Collectors() []string {
	if len(c.Addresses) > 0 {
		return c.Addresses
	}
	return []string{c.Address}
}

// TemplateKeys is Keys, and those of the formats that have templates.
func (c *Common) TemplateKeys() conf.Fields {
	keys := c.Keys()
	keys["biflow"] = func(v conf.Value) { c.Biflow = Biflow(v.Enum("pair", "split")) }
	keys["fields"] = func(v conf.Value) { c.Fields = v.Strings() }
	keys["template_refresh"] = func(v conf.Value) {
		v.Map(conf.Fields{
			"time":     func(v conf.Value) { c.Refresh.Time = v.Duration(0, 24*time.Hour) },
			"messages": func(v conf.Value) { c.Refresh.Messages = int(v.Int(0, 1e9)) },
		})
	}
	return keys
}

// MinMessage is the least size of a message that may be set, in octets: a
// template of all fields must fit.
const MinMessage = 512
