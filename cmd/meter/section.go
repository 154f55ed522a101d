package main

import (
	"errors"
	"fmt"
	"io"

	"flowmeter/cmd/meter/internal/logs"
	"flowmeter/exporters"
	"flowmeter/exporters/ipfix"
	"flowmeter/exporters/netflow5"
	"flowmeter/exporters/netflow9"
	"flowmeter/exporters/text"
	"flowmeter/meter"
	"flowmeter/meter/conf"
	"flowmeter/meter/flow"
)

// exporterSection is `exporters:` of a configuration, read but not built: what
// an exporter is told of the meter stands elsewhere in the file.
type exporterSection struct {
	builders []builder
	web      webSection
	log      logs.Config
}

// builder makes the exporters of one item of the list.
type builder struct {
	text string // what the item says, in one form
	make func(o *outputs, s *meter.Settings) error
}

// ignoreService reads the sections that only a service uses for commands that
// are none.
var ignoreService = conf.Fields{"exporters": func(conf.Value) {}, "web": func(conf.Value) {}, "log": func(conf.Value) {}}

// fields reads `exporters:`, a list of mappings of one key each, and the other
// sections of a service.
func (x *exporterSection) fields() conf.Fields {
	kinds := conf.Fields{
		"ipfix":      x.ipfix,
		"netflow9":   x.netflow9,
		"netflow5":   x.netflow5,
		"jsonl":      x.text("jsonl", newJSON),
		"csv":        x.text("csv", newCSV),
		"prometheus": x.web.parseMetrics,
	}
	return conf.Fields{
		"exporters": func(v conf.Value) {
			v.Each(func(item conf.Value) {
				before := len(x.builders)
				item.Map(kinds)
				for i := range x.builders[before:] {
					x.builders[before+i].text = item.Text()
				}
			})
		},
		"web": x.web.parse,
		"log": func(v conf.Value) { x.log = logs.Parse(v) },
	}
}

// build makes the exporters that were read. Nothing is opened.
func (x *exporterSection) build(o *outputs, s *meter.Settings) error {
	var errs []error
	for _, b := range x.builders {
		errs = append(errs, o.outlet(b.text, func() error { return b.make(o, s) }))
	}
	return errors.Join(errs...)
}

func (x *exporterSection) later(b func(o *outputs, s *meter.Settings) error) {
	x.builders = append(x.builders, builder{make: b})
}

func (x *exporterSection) ipfix(v conf.Value) {
	c := ipfix.ParseConfig(v)
	x.later(func(o *outputs, s *meter.Settings) error {
		o.prepare(&c.Common, s)
		return o.addCollectors("ipfix", &c.Common, func(address string) (exporters.Sink, error) {
			own := c
			own.Common = c.One(address)
			if err := o.spool(&own); err != nil {
				return nil, err
			}
			return ipfix.New(own)
		}, c.Path)
	})
}

func (x *exporterSection) netflow9(v conf.Value) {
	c := netflow9.ParseConfig(v)
	x.later(func(o *outputs, s *meter.Settings) error {
		o.prepare(&c.Common, s)
		return o.addCollectors("netflow9", &c.Common, func(address string) (exporters.Sink, error) {
			own := c
			own.Common = c.One(address)
			return netflow9.New(own)
		}, "")
	})
}

func (x *exporterSection) netflow5(v conf.Value) {
	c := netflow5.ParseConfig(v)
	x.later(func(o *outputs, s *meter.Settings) error {
		o.prepare(&c.Common, s)
		return o.addCollectors("netflow5", &c.Common, func(address string) (exporters.Sink, error) {
			own := c
			own.Common = c.One(address)
			return netflow5.New(own)
		}, "")
	})
}

// prepare tells an exporter what it must know of the meter.
func (o *outputs) prepare(c *exporters.Common, s *meter.Settings) {
	c.Domain, c.Live, c.Sockets, c.Log = s.ID, !o.queue.Lossless, o.sockets, o.queue.Log
}

// addCollectors adds an exporter for each of its collectors, as a group where
// they share the records. path stands for the address of a file.
func (o *outputs) addCollectors(kind string, c *exporters.Common, make func(address string) (exporters.Sink, error), path string) error {
	var queues []*exporters.Queue
	for _, address := range c.Collectors() {
		sink, err := make(address)
		q, err := o.newQueue(kind+" "+address+path, sink, err, c.Queue)
		if err != nil {
			return err
		}
		queues = append(queues, q)
	}
	o.queues = append(o.queues, queues...)
	if len(queues) > 1 && c.Mode != exporters.All {
		o.feeds = append(o.feeds, exporters.NewGroup(c.Mode, queues, o.queue.Log))
		return nil
	}
	for _, q := range queues {
		o.feeds = append(o.feeds, q)
	}
	return nil
}

// spool gives an exporter the directory of its collector, which no other may
// have.
func (o *outputs) spool(c *ipfix.Config) error {
	if c.Spool.Dir == "" {
		return nil
	}
	c.Spool = c.Spool.Sub(c.Address)
	if o.taken[c.Spool.Dir] {
		return fmt.Errorf("another exporter has its spool in %s already: give one of them another dir", c.Spool.Dir)
	}
	o.taken[c.Spool.Dir] = true
	return nil
}

func newJSON(w io.Writer, p flow.Precision, fields []string) (exporters.Sink, error) {
	return text.NewJSON(w, p, fields)
}

// newCSV continues a file that has something in it without a second header.
func newCSV(w io.Writer, p flow.Precision, fields []string) (exporters.Sink, error) {
	c, err := text.NewCSV(w, p, fields)
	if f, isFile := w.(*exporters.File); isFile && err == nil && !f.Empty() {
		c.Headless()
	}
	return c, err
}

// text reads an exporter that writes lines to a file.
func (x *exporterSection) text(kind string, make func(io.Writer, flow.Precision, []string) (exporters.Sink, error)) func(conf.Value) {
	return func(v conf.Value) {
		var path string
		var fields []string
		var times flow.Precision
		v.Map(conf.Fields{
			"path":      func(v conf.Value) { path = v.Str() },
			"fields":    func(v conf.Value) { fields = v.Strings() },
			"precision": func(v conf.Value) { times = flow.Precision(v.Enum(precisions...)) },
		})
		if path == "" {
			v.Errorf("path: /var/log/meter/flows."+kind, "no path")
		}
		if _, err := make(io.Discard, times, fields); err != nil {
			v.Errorf("", "%v", err)
		}
		x.later(func(o *outputs, _ *meter.Settings) error {
			f, err := o.appendTo(path)
			if err != nil {
				return fmt.Errorf("exporter %s: %w", kind, err)
			}
			sink, err := make(f, times, fields)
			return o.addBuilt(kind+" "+path, sink, err, o.queue)
		})
	}
}

// addBuilt adds an exporter with its own queue size, unless the meter waits
// for its exporters.
func (o *outputs) addBuilt(name string, s exporters.Sink, err error, q exporters.QueueConfig) error {
	queue, err := o.newQueue(name, s, err, q)
	if err != nil {
		return err
	}
	o.queues, o.feeds = append(o.queues, queue), append(o.feeds, queue)
	return nil
}

// newQueue returns the queue before an exporter, if that could be made.
func (o *outputs) newQueue(name string, s exporters.Sink, err error, q exporters.QueueConfig) (*exporters.Queue, error) {
	if err != nil {
		return nil, fmt.Errorf("exporter %s: %w", name, err)
	}
	if o.queue.Lossless {
		q = o.queue
	}
	q.Log = o.queue.Log
	return exporters.NewQueue(name, s, q), nil
}

// appendTo opens a file that goes on where it ended. Checking a configuration
// opens nothing.
func (o *outputs) appendTo(path string) (io.Writer, error) {
	if o.taken[path] {
		return nil, fmt.Errorf("another exporter writes to %s already: give one of them another path", path)
	}
	o.taken[path] = true
	if o.dry {
		return io.Discard, nil
	}
	f, err := exporters.Append(path)
	if err != nil {
		return nil, err
	}
	o.files = append(o.files, f)
	return f, nil
}
