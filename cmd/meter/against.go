package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"flowmeter/meter"
	"flowmeter/rules"
)

// comparison is what two rule sets say of the same packets.
type comparison struct {
	name     string
	from, to *rules.Program
	moves    map[move]*moved
}

// A move is from what one says to what the other says.
type move struct {
	from, to string
	otherKey bool // both say the same, but of flows of other keys
}

type moved struct{ packets, octets uint64 }

func (m *move) stays() bool { return m.from == m.to && !m.otherKey }

// compare reads the traces and prints what the rule sets of --against say otherwise.
func (c *readCmd) compare(a *app, s *meter.Settings, paths []string) error {
	other := c.meterFlags
	other.Rules = c.Against
	with, err := other.settings(ignoreService)
	if err != nil {
		return err
	}
	a.warn(with.Warnings)
	all, err := pairs(s.Meter.RuleSets, with.Meter.RuleSets)
	if err != nil {
		return usageError{fmt.Errorf("--against %s: %w", c.Against, err)}
	}
	sets := slices.Concat(s.Meter.RuleSets, with.Meter.RuleSets)
	meter.Packets(s.Meter, sets, newInputs(paths).open(c.Merge), a.partial, func(p *meter.Packet) {
		for i := range all {
			all[i].packet(p)
		}
	})
	for i := range all {
		if err := all[i].print(a.stdout); err != nil {
			return err
		}
	}
	return nil
}

// pairs finds the rule sets to compare: those of the same name, or the only ones.
func pairs(from, to []*rules.RuleSet) ([]comparison, error) {
	var all []comparison
	for _, a := range from {
		for _, b := range to {
			if a.Name == b.Name || len(from) == 1 && len(to) == 1 {
				all = append(all, comparison{a.Name, a.Program, b.Program, map[move]*moved{}})
			}
		}
	}
	if all == nil {
		return nil, errors.New("no rule set has the name of one in --rules")
	}
	return all, nil
}

// packet asks both rule sets. A packet has the octets that the first one counts.
func (c *comparison) packet(p *meter.Packet) {
	var a, b rules.Match
	h := p.Match(c.from, &a)
	p.Match(c.to, &b)
	m := move{from: says(c.from, &a), to: says(c.to, &b)}
	m.otherKey = m.from == m.to && a.Verdict == rules.Counted && !sameEnds(a.Key, b.Key)
	n := c.moves[m]
	if n == nil {
		n = &moved{}
		c.moves[m] = n
	}
	n.packets++
	n.octets += octetsOf(h)
}

// sameEnds tells whether two keys are the same but for kinds and classes, seen from
// either end.
func sameEnds(a, b rules.Key) bool {
	for _, k := range []*rules.Key{&a, &b} {
		k.Class, k.Kind, k.Src.Class, k.Src.Kind, k.Dst.Class, k.Dst.Kind = 0, 0, 0, 0, 0, 0
	}
	return a == b || a == b.Swap()
}

// says writes the verdict on a packet, and the kinds and classes that it was given.
func says(p *rules.Program, m *rules.Match) string {
	words := []string{m.Verdict.String()}
	if m.Verdict != rules.Counted {
		return words[0]
	}
	k := &m.Key
	for _, v := range []struct {
		attr   rules.Attr
		name   string
		number uint16
		names  func(uint16) string
	}{
		{rules.FlowKind, "kind", k.Kind, p.KindName}, {rules.FlowClass, "class", k.Class, p.ClassName},
		{rules.SrcKind, "src.kind", k.Src.Kind, p.KindName}, {rules.DstKind, "dst.kind", k.Dst.Kind, p.KindName},
		{rules.SrcClass, "src.class", k.Src.Class, p.KindName}, {rules.DstClass, "dst.class", k.Dst.Class, p.KindName},
	} {
		if k.Saved&v.attr != 0 {
			words = append(words, v.name+" "+cmp.Or(v.names(v.number), fmt.Sprint(v.number)))
		}
	}
	return strings.Join(words, ", ")
}

// print prints what moved, the most octets first, and then what did not.
func (c *comparison) print(w io.Writer) error {
	var all []move
	var total, gone moved
	for m, n := range c.moves {
		all = append(all, m)
		total.packets, total.octets = total.packets+n.packets, total.octets+n.octets
		if !m.stays() {
			gone.packets, gone.octets = gone.packets+n.packets, gone.octets+n.octets
		}
	}
	slices.SortFunc(all, func(x, y move) int {
		return cmp.Or(bool2int(x.stays())-bool2int(y.stays()), cmp.Compare(c.moves[y].octets, c.moves[x].octets),
			strings.Compare(x.from, y.from), strings.Compare(x.to, y.to))
	})
	fmt.Fprintf(w, "%s: %s of %s moved, %s of %s\n", c.name, humanize.Comma(int64(gone.packets)), plural(total.packets, "packet"),
		humanize.Bytes(gone.octets), humanize.Bytes(total.octets))
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "  from\tto\tpackets\toctets\t")
	for _, m := range all {
		to := m.to
		switch {
		case m.stays():
			to = "the same"
		case m.from == m.to:
			to = "the same, in a flow of another key"
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\t\n", m.from, to, humanize.Comma(int64(c.moves[m].packets)), humanize.Bytes(c.moves[m].octets))
	}
	return tw.Flush()
}

func bool2int(b bool) int {
	if b {
		return 1
	}
	return 0
}
