package ring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/bpf"
)

// Input is one or several interfaces and the rings that read them.
type Input struct {
	cfg      Config
	log      *slog.Logger
	names    names
	rings    []*Ring
	filter   []bpf.RawInstruction
	segments bool

	mu     sync.Mutex // of all below
	ports  []*port
	news   *linkNews // nil before Open and after Close
	closed bool
}

// New returns an input. Nothing is opened before Open. The error is that of
// cfg.Validate.
func New(cfg Config) (*Input, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	in := &Input{cfg: cfg, log: cfg.logger()}
	in.names.resolve = resolve
	for range cfg.Workers {
		in.rings = append(in.rings, newRing(&in.names))
	}
	return in, nil
}

// resolve asks the system for the interface of an index.
func resolve(index int32) (name string, hardware uint16) {
	in, err := net.InterfaceByIndex(int(index))
	if err != nil {
		return "", 0
	}
	return in.Name, ethernet
}

// Ring returns what worker reads, from 0.
func (in *Input) Ring(worker int) *Ring { return in.rings[worker] }

// Open opens the interfaces that are there and up. Those that a pattern may
// match later, and those named that are down, are opened once they are, by
// Run. The error says which interface could not be opened, why, and what to
// do; nothing is open then.
func (in *Input) Open() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed || in.news != nil {
		return fmt.Errorf("opened twice: %w", errClosed)
	}
	news, links, err := openNews()
	if err != nil {
		return fmt.Errorf("watching interfaces: %w", err)
	}
	in.news = news
	if err := in.open(links); err != nil {
		in.close()
		return err
	}
	return nil
}

func (in *Input) open(links []link) error {
	for _, r := range in.rings {
		if err := r.open(); err != nil {
			return fmt.Errorf("eventfd: %w", err)
		}
	}
	in.segments = in.wantSegments()
	in.filter = combine(in.cfg.Filter, in.cfg.Cut, in.cfg.Snaplen)
	if err := in.missing(links); err != nil {
		return err
	}
	in.note(links)
	if in.cfg.any() {
		return in.attach(in.port(anyName), link{name: anyName, up: true})
	}
	var errs []error
	for _, l := range links {
		if in.cfg.matches(l.name) {
			errs = append(errs, in.meet(l))
		}
	}
	return errors.Join(errs...)
}

// missing says which named interface is not there.
func (in *Input) missing(links []link) error {
	var errs []error
	for _, name := range in.cfg.Interfaces {
		there := slices.ContainsFunc(links, func(l link) bool { return l.name == name })
		if !there && !isPattern(name) && name != anyName {
			errs = append(errs, fmt.Errorf("interface %s: there is none of this name (there are %s)", name, linkNames(links)))
		}
	}
	return errors.Join(errs...)
}

func linkNames(links []link) string {
	var all []string
	for _, l := range links {
		all = append(all, l.name)
	}
	return strings.Join(all, ", ")
}

// note tells the names of interfaces to the readers of "any".
func (in *Input) note(links []link) {
	if !in.cfg.any() {
		return
	}
	for _, l := range links {
		in.names.note(int32(l.index), l.name, l.hardware, in.cfg.Snaplen)
	}
}

// port returns the account of an interface, by name.
func (in *Input) port(name string) *port {
	for _, p := range in.ports {
		if p.name == name {
			return p
		}
	}
	p := &port{name: name, log: in.log}
	in.ports = append(in.ports, p)
	return p
}

// attach opens the rings of an interface, one for each worker, and hands them
// to the readers.
func (in *Input) attach(p *port, l link) error {
	if l.name != anyName {
		p.number = in.names.note(int32(l.index), l.name, l.hardware, in.cfg.Snaplen)
	}
	all, err := in.openSockets(p, l)
	if err != nil {
		return explain(l.name, err)
	}
	p.index, p.up, p.rings, p.failed, p.waits = l.index, l.up, all, "", false
	for i, s := range all {
		p.add(s)
		in.rings[i].add(s)
	}
	in.log.Info("interface is read", "interface", l.name, "rings", len(all), "segments", all[0].walker.vnet)
	return nil
}

// detach lets go of an interface's rings. Their readers take what is in them.
func (in *Input) detach(p *port) {
	for i, s := range p.rings {
		s.stop(time.Now())
		in.rings[i].nudge()
	}
	p.index, p.up, p.rings = 0, false, nil
}

// Stats returns the account of each interface, in the order in which they
// were first opened, those that went away included.
func (in *Input) Stats() []InterfaceStats {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := make([]InterfaceStats, 0, len(in.ports))
	for _, p := range in.ports {
		all = append(all, p.stats(p.up && len(p.rings) > 0))
	}
	return all
}

// Close has the kernel put no more frames into the rings. Calls of Ring.Next
// return what is there, and then, within a second, io.EOF; the memory is
// unmapped once the reader has got that and all batches are released. Where
// no reader ever was, or one does not go on to io.EOF, what was in its rings
// counts as dropped.
func (in *Input) Close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil
	}
	return in.close()
}

func (in *Input) close() error {
	in.closed = true
	for _, p := range in.ports {
		in.detach(p)
	}
	for _, r := range in.rings {
		r.close()
	}
	if in.news == nil {
		return nil
	}
	return in.news.close()
}

// Run follows interfaces as they come, go, and change their names, until ctx
// ends. It does not close the input.
func (in *Input) Run(ctx context.Context) error {
	in.mu.Lock()
	news := in.news
	in.mu.Unlock()
	if news == nil {
		return errNotOpen
	}
	return news.follow(ctx, in)
}
