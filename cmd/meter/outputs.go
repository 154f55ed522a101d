package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"flowmeter/exporters"
	"flowmeter/exporters/ipfix"
	"flowmeter/exporters/netflow5"
	"flowmeter/exporters/netflow9"
	"flowmeter/exporters/text"
	"flowmeter/meter"
	"flowmeter/meter/flow"
)

// outputs are the exporters of a run, each behind its queue.
type outputs struct {
	queue    exporters.QueueConfig
	queues   []*exporters.Queue
	feeds    []meter.Exporter   // what the meter feeds: the queues, or groups of them
	sockets  *exporters.Sockets // of connections to collectors
	files    []io.Closer
	onStdout bool // records go to standard output
	dry      bool // nothing is to be opened

	inputs []string        // files that are read: none may be written to
	taken  map[string]bool // files that are written to; "-" is standard output

	outlets []*outlet
	retired []*outlet // that a reload took away
	hung    *hangUps
}

// hangUps are the exporters whose readers have closed their pipes.
type hangUps struct {
	broken chan struct{} // has a token when there is one
	mu     sync.Mutex
	gone   map[*exporters.Queue]bool
}

// readQueue is how many records wait for an exporter while traces are read:
// the reader waits for the exporters, so that more would only take memory.
const readQueue = 8192

// newOutputs returns no exporters yet. A live meter never waits for them;
// reading traces, none of their records is dropped for want of room.
func newOutputs(live bool, log *slog.Logger) *outputs {
	q := exporters.DefaultQueue()
	q.Log = log
	if !live {
		q.Records, q.Lossless, q.Drain = readQueue, true, 0
	}
	return &outputs{queue: q, sockets: &exporters.Sockets{}, taken: map[string]bool{},
		hung: &hangUps{broken: make(chan struct{}, 1), gone: map[*exporters.Queue]bool{}}}
}

func (o *outputs) add(name string, s exporters.Sink) {
	q := exporters.NewQueue(name, s, o.queue)
	o.queues, o.feeds = append(o.queues, q), append(o.feeds, q)
}

// meterExporters returns the queues, and groups of them, as the meter knows
// them.
func (o *outputs) meterExporters() []meter.Exporter { return o.feeds }

// ownSockets returns what tells the meter its own export traffic.
func (o *outputs) ownSockets() func() []flow.Socket { return o.sockets.Load }

// start runs every exporter until its final batch.
func (o *outputs) start(ctx context.Context) {
	for _, l := range o.outlets {
		l.started = true
		l.run(ctx, o.hung)
	}
}

// reopen has exporters go on in other files where theirs were moved away.
func (o *outputs) reopen() {
	for _, q := range o.queues {
		q.Reopen()
	}
}

// hangUp notes that whoever read an exporter's output has gone: what he did
// not want is not lost.
func (h *hangUps) hangUp(q *exporters.Queue) {
	h.mu.Lock()
	h.gone[q] = true
	h.mu.Unlock()
	select {
	case h.broken <- struct{}{}:
	default:
	}
}

func (h *hangUps) has(q *exporters.Queue) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.gone[q]
}

// wait waits for the end of every exporter and returns an error that names
// those that lost records.
func (o *outputs) wait() error {
	var errs []error
	for _, l := range append(o.retired, o.outlets...) {
		errs = append(errs, l.wait())
		for _, q := range l.queues {
			if !o.hung.has(q) {
				o.tellSkipped(q)
				errs = append(errs, lossOf(q))
			}
		}
	}
	return errors.Join(errs...)
}

// lossOf returns an error if an exporter lost records of this run: those of an
// earlier one are not its.
func lossOf(q *exporters.Queue) error {
	if lost := q.Stats().Lost().Records - q.Stats().Dropped(exporters.Killed); lost > 0 {
		return fmt.Errorf("%s: %d records lost", q.Name(), lost)
	}
	if q.Stats().Errors.Load() > 0 {
		return fmt.Errorf("%s: failed, see above", q.Name())
	}
	return nil
}

// tellSkipped says what the exporter's format cannot hold, which is no loss.
func (o *outputs) tellSkipped(q *exporters.Queue) {
	for r := range exporters.NumReasons {
		if n := q.Stats().Dropped(r); r.Skipped() && n > 0 {
			o.queue.Log.Warn("records skipped: the format cannot hold them", "exporter", q.Name(), "reason", r.String(), "records", n)
		}
	}
}

// shape is what the flags say of the form of exported records.
type shape struct {
	domain    uint32
	biflow    exporters.Biflow
	precision flow.Precision
	live      bool
	sockets   *exporters.Sockets
	log       *slog.Logger
}

// common puts a shape into the configuration of a wire exporter.
func (s *shape) common(c *exporters.Common, address string) {
	c.Address, c.Domain, c.Biflow, c.Live = address, s.domain, s.biflow, s.live
	c.Sockets, c.Log = s.sockets, s.log
}

// where adds the exporter that one --output names.
func (o *outputs) where(where string, s shape, stdout io.Writer) error {
	scheme, rest, isURL := strings.Cut(where, "://")
	if isURL {
		return o.network(where, scheme, rest, s)
	}
	format, path, given := strings.Cut(where, ":")
	if _, known := fileFormats[format]; !given || !known {
		format, path = strings.TrimPrefix(filepath.Ext(where), "."), where
	}
	if where == "-" {
		format = "jsonl"
	}
	make, known := fileFormats[format]
	if !known {
		return usageError{fmt.Errorf("--output %s: no format is known by this name: write - or FILE.jsonl, FILE.csv, FILE.ipfix, or the format before it, as csv:FILE", where)}
	}
	if err := o.take(path); err != nil {
		return usageError{fmt.Errorf("--output %s: %w", where, err)}
	}
	w := stdout
	switch {
	case path == "-":
		o.onStdout = true
	case o.dry:
		w = io.Discard
	default:
		f, err := exporters.Create(path)
		if err != nil {
			return usageError{fmt.Errorf("--output: %w", err)}
		}
		o.files = append(o.files, f)
		w = f
	}
	sink, err := make(w, s)
	if err != nil {
		return usageError{fmt.Errorf("--output %s: %w", where, err)}
	}
	o.add(where, sink)
	return nil
}

// take notes that a file is written to. A trace that is read is refused, and
// so is a file that another output has.
func (o *outputs) take(path string) error {
	if path != "-" {
		path = filepath.Clean(path)
	}
	if o.taken[path] && path != os.DevNull {
		return errors.New("another output goes there already")
	}
	o.taken[path] = true
	out, err := os.Stat(path)
	if err != nil {
		return nil // new, or to be told when it is created
	}
	for _, in := range o.inputs {
		if st, err := os.Stat(in); err == nil && os.SameFile(st, out) {
			return errors.New("this is a trace that is to be read")
		}
	}
	return nil
}

// fileFormats make the exporters that write to a file or to standard output.
var fileFormats = map[string]func(io.Writer, shape) (exporters.Sink, error){
	"jsonl": jsonLines,
	"json":  jsonLines,
	"csv":   func(w io.Writer, s shape) (exporters.Sink, error) { return text.NewCSV(w, s.precision, nil) },
	"ipfix": func(w io.Writer, s shape) (exporters.Sink, error) {
		c := ipfix.Default()
		s.common(&c.Common, "")
		c.Transport, c.Writer, c.Precision = ipfix.Writer, w, s.precision
		return ipfix.New(c)
	},
}

func jsonLines(w io.Writer, s shape) (exporters.Sink, error) {
	return text.NewJSON(w, s.precision, nil)
}

// network adds the exporter that a URL names.
func (o *outputs) network(where, scheme, address string, s shape) error {
	make, known := networkFormats[scheme]
	if !known {
		return usageError{fmt.Errorf("--output %s: known are ipfix://, ipfix+tcp://, ipfix+tls://, netflow9:// and netflow5://", where)}
	}
	sink, err := make(address, s)
	if err != nil {
		return usageError{fmt.Errorf("--output %s: %w", where, err)}
	}
	o.add(where, sink)
	return nil
}

// networkFormats make the exporters that send to a collector.
var networkFormats = map[string]func(address string, s shape) (exporters.Sink, error){
	"ipfix":     ipfixOver(ipfix.UDP),
	"ipfix+tcp": ipfixOver(ipfix.TCP),
	"ipfix+tls": ipfixTLS,
	"netflow9": func(address string, s shape) (exporters.Sink, error) {
		c := netflow9.Default()
		s.common(&c.Common, address)
		return netflow9.New(c)
	},
	"netflow5": func(address string, s shape) (exporters.Sink, error) {
		c := netflow5.Default()
		s.common(&c.Common, address)
		return netflow5.New(c)
	},
}

func ipfixOver(t ipfix.Transport) func(string, shape) (exporters.Sink, error) {
	return func(address string, s shape) (exporters.Sink, error) {
		c := ipfix.Default()
		s.common(&c.Common, address)
		c.Transport, c.Precision = t, s.precision
		return ipfix.New(c)
	}
}

// ipfixTLS reads host:port?cert=FILE&key=FILE&ca=FILE&server_name=NAME.
func ipfixTLS(where string, s shape) (exporters.Sink, error) {
	address, query, _ := strings.Cut(where, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, err
	}
	c := ipfix.Default()
	s.common(&c.Common, address)
	c.Transport, c.Precision = ipfix.TLS, s.precision
	files := map[string]*string{"cert": &c.TLS.Cert, "key": &c.TLS.Key, "ca": &c.TLS.CA, "server_name": &c.TLS.ServerName}
	for key, value := range values {
		field, known := files[key]
		if !known {
			return nil, fmt.Errorf("unknown %q: known are cert, key, ca and server_name", key)
		}
		*field = value[0]
	}
	return ipfix.New(c)
}

// addAll adds the exporters of all --output flags.
func (f *outputFlags) addAll(o *outputs, domain uint32, stdout io.Writer) error {
	s := shape{domain: domain, live: !o.queue.Lossless, sockets: o.sockets, log: o.queue.Log}
	if f.Biflow != "" {
		i, err := oneOf("--biflow", f.Biflow, []string{"pair", "split"})
		if err != nil {
			return err
		}
		s.biflow = exporters.Biflow(i)
	}
	if f.Times != "" {
		i, err := oneOf("--times", f.Times, precisions)
		if err != nil {
			return err
		}
		s.precision = flow.Precision(i)
	}
	trial := newOutputs(s.live, o.queue.Log)
	trial.inputs = o.inputs
	trial.dry = true // a mistake in one flag must not empty the file of another
	for _, to := range []*outputs{trial, o} {
		for _, where := range f.Output {
			if err := to.outlet(flagPrefix+where, func() error { return to.where(where, s, stdout) }); err != nil {
				return err
			}
		}
	}
	return nil
}
