package exporters

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Resolver finds the addresses of a host. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	resolveEvery = 60 * time.Second // a collector's name is looked up again
	resolveSoon  = 5 * time.Second  // after an error, and not more often
)

// whereabouts knows where a collector is, and asks again in the background.
type whereabouts struct {
	resolver Resolver
	host     string
	port     uint16
	every    time.Duration
	soon     time.Duration

	asked  time.Time
	answer chan []netip.Addr // nil while nothing is asked
}

func newWhereabouts(cfg *LineConfig) whereabouts {
	w := whereabouts{resolver: cfg.Resolver, every: resolveEvery, soon: resolveSoon}
	if w.resolver == nil {
		w.resolver = net.DefaultResolver
	}
	host, port, err := net.SplitHostPort(cfg.Address)
	if err != nil {
		return w // told by CheckAddress
	}
	n, _ := strconv.ParseUint(port, 10, 16)
	w.host, w.port = host, uint16(n)
	return w
}

// find returns the first address, and waits for it.
func (w *whereabouts) find(ctx context.Context) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(w.host); err == nil {
		return netip.AddrPortFrom(a, w.port), nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	w.asked = time.Now()
	addrs, err := w.resolver.LookupNetIP(ctx, "ip", w.host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if len(addrs) == 0 {
		return netip.AddrPort{}, &net.DNSError{Err: "no address", Name: w.host}
	}
	return netip.AddrPortFrom(addrs[0].Unmap(), w.port), nil
}

// moved asks again when that is due and tells, once an answer has come,
// whether now is not among the collector's addresses any more. An answer
// without addresses, and none at all, leave things as they are.
func (w *whereabouts) moved(ctx context.Context, now netip.Addr) bool {
	select {
	case addrs := <-w.answer:
		w.answer = nil
		same := func(a netip.Addr) bool { return a.Unmap() == now.Unmap() }
		return len(addrs) > 0 && !slices.ContainsFunc(addrs, same)
	default:
	}
	if _, err := netip.ParseAddr(w.host); err == nil || w.answer != nil || time.Since(w.asked) < w.every {
		return false
	}
	w.asked = time.Now()
	w.answer = make(chan []netip.Addr, 1)
	go w.ask(ctx, w.answer)
	return false
}

func (w *whereabouts) ask(ctx context.Context, answer chan<- []netip.Addr) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	addrs, _ := w.resolver.LookupNetIP(ctx, "ip", w.host) // an error: no addresses
	answer <- addrs
}

// doubt has the name looked up soon: something is wrong at the address.
func (w *whereabouts) doubt() {
	if soon := time.Now().Add(w.soon - w.every); w.asked.After(soon) && time.Since(w.asked) >= w.soon {
		w.asked = time.Now().Add(-w.every)
	}
}
