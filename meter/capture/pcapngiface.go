package capture

import (
	"fmt"
	"math/bits"
)

// Options of an interface description block.
const (
	ngOptEnd      = 0
	ngOptName     = 2
	ngOptTsresol  = 9
	ngOptTsoffset = 14
)

// maxIfaceName bounds the name that is kept of an interface.
const maxIfaceName = 255

// describe reads an interface description block.
func (p *pcapng) describe(b []byte) error {
	if len(p.all) >= maxNgIfaces {
		return fmt.Errorf("more than %d interfaces", maxNgIfaces)
	}
	pub := Interface{Link: linkType(uint32(p.order.uint16(b[8:]))), Snaplen: p.order.uint32(b[12:])}
	in := ngInterface{link: pub.Link, snaplen: pub.Snaplen, clock: ngClock{nanosPer: 1000}}
	for opts := b[16:]; len(opts) >= 4; {
		code, size := p.order.uint16(opts), int(p.order.uint16(opts[2:]))
		if code == ngOptEnd {
			break
		}
		padded := 4 + (size+3)&^3
		if padded > len(opts) {
			return fmt.Errorf("option %d of an interface, of %d octets, reaches beyond its block", code, size)
		}
		if err := p.option(code, opts[4:4+size], &in, &pub); err != nil {
			return err
		}
		opts = opts[padded:]
	}
	p.ifaces.add(pub)
	p.all = append(p.all, in)
	return nil
}

// option takes what matters to us of one option.
func (p *pcapng) option(code uint16, v []byte, in *ngInterface, pub *Interface) error {
	switch {
	case code == ngOptName:
		pub.Name = string(v[:min(len(v), maxIfaceName)])
	case code == ngOptTsresol && len(v) == 1:
		return in.clock.setResolution(v[0])
	case code == ngOptTsoffset && len(v) == 8:
		in.clock.setOffset(int64(p.order.uint64(v)))
	}
	return nil
}

// ngClock converts the times of one interface.
type ngClock struct {
	nanosPer uint64 // nanoseconds per unit, if that is a whole number; else 0
	perSec   uint64 // else units per second
	offset   int64  // nanoseconds to be added
}

// setResolution takes an if_tsresol: a negative power of 10 or, if the top
// bit is set, of 2.
func (c *ngClock) setResolution(v byte) error {
	exp, base, most := v&0x7f, uint64(10), byte(19)
	if v&0x80 != 0 {
		base, most = 2, 63
	}
	if exp > most {
		return fmt.Errorf("an if_tsresol of %d^-%d seconds", base, exp)
	}
	c.nanosPer, c.perSec = 0, 1
	for range exp {
		c.perSec *= base
	}
	if second%c.perSec == 0 {
		c.nanosPer = second / c.perSec
	}
	return nil
}

// setOffset takes an if_tsoffset in seconds.
func (c *ngClock) setOffset(sec int64) {
	const most = maxTime / second
	c.offset = max(-most, min(sec, most)) * second
}

// nanos converts a time. What lies beyond the range of a Frame's is set to
// its nearest end.
func (c *ngClock) nanos(t uint64) int64 {
	ns := c.unsigned(t)
	if c.offset > 0 && ns > maxTime-c.offset {
		return maxTime
	}
	return max(0, ns+c.offset)
}

func (c *ngClock) unsigned(t uint64) int64 {
	sec, unit := uint64(0), uint64(1)
	if c.nanosPer == 0 {
		sec, t = t/c.perSec, t%c.perSec
		hi, lo := bits.Mul64(t, second)
		t, _ = bits.Div64(hi, lo, c.perSec)
	} else {
		unit = c.nanosPer
	}
	hi, ns := bits.Mul64(t, unit)
	if hi != 0 || ns > maxTime || sec >= maxTime/second {
		return maxTime
	}
	return int64(sec*second + ns)
}
