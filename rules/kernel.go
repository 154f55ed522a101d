package rules

import (
	"fmt"

	"golang.org/x/net/bpf"

	"flowmeter/meter/cbpf"
	"flowmeter/meter/packet"
)

// A Kernel writes programs of classic BPF for the kernel's filter of live
// interfaces. They answer of a frame what a Filter or the rules would, once it
// was decoded; but not of every frame: of IPv6 behind extension headers,
// MPLS, PPPoE and what is malformed they cannot tell. What they cannot tell
// they leave to the meter, so that the two never disagree.
type Kernel struct {
	Links    map[uint16]packet.LinkType // of frames by their interface's type (ARPHRD_): LinkEthernet or LinkRaw; of others a program cannot tell
	Snaplen  int                        // octets of each frame that the meter sees
	Segments bool                       // offloaded frames of TCP and UDP are metered as the packets that they stand for
	Own      bool                       // the meter's own TCP and UDP packets are left out and counted
	Room     int                        // most instructions of a program
}

// wholeFrame is what a program returns to have a frame up to the snaplen.
const wholeFrame = 1 << 18 // libpcap's MAXIMUM_SNAPLEN

// Drop returns a program that returns 0 for frames that the filter certainly
// does not match. The error says why there is none.
func (k *Kernel) Drop(f *Filter) ([]bpf.RawInstruction, error) {
	c := k.begin(false)
	take, drop := c.Label(), c.Label()
	c.frame(take)
	c.filter(f, take, drop, true)
	if !c.Reaches(drop) {
		return nil, fmt.Errorf("the kernel cannot tell of any packet that this filter does not match it: nothing would be dropped")
	}
	c.Place(drop)
	c.Op(bpf.RetConstant{})
	c.Place(take)
	c.Op(bpf.RetConstant{Val: wholeFrame})
	if c.Len() > k.Room {
		return nil, fmt.Errorf("the filter would have %d instructions in the kernel: %d can be had", c.Len(), k.Room)
	}
	return c.Raw(), nil
}

// Cut returns a program that returns 1 for frames which the filter, if there
// is one, certainly matches and every rule set certainly ignores, by the rules
// at its start. It is nil if there are no such frames.
//
// What a frame that was cut was to the meter can still be told: it is a frame
// without IP, or an IP packet that fills it. Hence no fragments are cut (the
// first tells the ports of the others), no padded packets (their length would
// be lost) and, with Segments or Own, no TCP and UDP.
func (k *Kernel) Cut(sets []*RuleSet, f *Filter) []bpf.RawInstruction {
	for n := maxLeads; n > 0; n /= 2 {
		c := k.begin(true)
		keep, cut := c.Label(), c.Label()
		c.frame(keep)
		if f != nil {
			matched := c.Label()
			c.filter(f, matched, keep, false)
			c.Place(matched)
		}
		for _, rs := range sets {
			c.ruleSet(rs.Program, n, keep)
		}
		c.Jump(cut)
		c.barren = c.barren || !c.Reaches(cut)
		c.Place(cut)
		c.Op(bpf.RetConstant{Val: 1})
		c.Place(keep)
		c.Op(bpf.RetConstant{Val: wholeFrame})
		if c.barren {
			return nil
		}
		if c.Len() <= k.Room {
			return c.Raw()
		}
	}
	return nil
}

// kernelCode is a program being written.
type kernelCode struct {
	cbpf.Assembler
	*Kernel
	cut     bool
	swapped uint8     // tests look at the packet the other way round
	classed *Networks // scratchClass holds the class against these
	barren  bool      // some rule set ignores nothing at its start
}

func (k *Kernel) begin(cut bool) *kernelCode { return &kernelCode{Kernel: k, cut: cut} }

// filter goes to yes or no. In doubt it goes to yes if lean says so, else to
// no.
func (c *kernelCode) filter(f *Filter, yes, no cbpf.Label, lean bool) {
	c.class(f.program.nets, []lead{{cond: f.cond}})
	c.cond(f.cond, yes, no, lean)
}

// ruleSet goes on behind it with frames that the first n leads certainly
// ignore, whichever way round orient has them tried first, and to keep with others.
func (c *kernelCode) ruleSet(p *Program, n int, keep cbpf.Label) {
	leads := p.leads[:min(n, len(p.leads))]
	if p.decapsulate == Innermost {
		leads = nil // they speak of another packet than the one that the kernel sees
	}
	for len(leads) > 0 && !leads[len(leads)-1].ignore {
		leads = leads[:len(leads)-1]
	}
	c.barren = c.barren || len(leads) == 0
	c.class(p.nets, leads)
	for c.swapped = 0; c.swapped < 2; c.swapped++ {
		ignored := c.Label()
		for _, l := range leads {
			c.lead(l, ignored, keep)
		}
		c.Jump(keep)
		c.Place(ignored)
		if p.orient == First || !directed(leads) {
			break
		}
	}
	c.swapped = 0
}

// lead goes to ignored if a leading rule certainly ignores a packet, on behind
// it if whatever the rule does is no other's than to ignore it, else to keep.
func (c *kernelCode) lead(l lead, ignored, keep cbpf.Label) {
	next := c.Label()
	switch {
	case l.cond == nil:
		c.Jump(ignored)
	case l.ignore:
		c.cond(l.cond, ignored, next, false)
	default:
		c.cond(l.cond, keep, next, true)
	}
	c.Place(next)
}
