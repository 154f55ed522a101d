package srl

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowmeter/meter/conf"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// This file compares the engine with the rules that Translate writes.

// parsedProgram parses and binds a program that must be right.
func parsedProgram(t testing.TB, src string) *program {
	t.Helper()
	errs := &mistakes{file: "test.srl"}
	p := parse(src, errs)
	bind(p, errs)
	if err := errs.err(); err != nil {
		t.Fatalf("%v\nin\n%s", err, src)
	}
	return p
}

// ruleSet compiles YAML that must be right.
func ruleSet(t testing.TB, yaml string) *rules.RuleSet {
	t.Helper()
	v, c := conf.Parse("test.yaml", []byte(yaml))
	if c.Err() == nil {
		sets, _ := rules.ParseFile(v, rules.DefaultNetworks())
		if c.Err() == nil {
			return sets[0]
		}
	}
	t.Fatalf("%v\nin\n%s", c.Err(), yaml)
	return nil
}

// attributesOf returns a packet's match key. What it lacks is zero.
func attributesOf(h *packet.Headers) map[int]octets16 {
	out := map[int]octets16{attrMatchingStoD: {1}, 4: {byte(h.Iface)}, 14: {byte(h.Iface)}}
	if h.Layers&packet.HasMAC != 0 {
		out[6], out[16] = fixed(h.SrcMAC[:]), fixed(h.DstMAC[:])
	}
	if h.Layers&packet.HasIP == 0 {
		return out
	}
	out[8], out[18] = octets16{1}, octets16{1}
	out[9], out[19] = fixed(h.Src[12:]), fixed(h.Dst[12:])
	if h.Version == 6 {
		out[8], out[18] = octets16{2}, octets16{2}
		out[9], out[19] = h.Src, h.Dst
	}
	out[11], out[21] = octets16{h.Proto}, octets16{h.Proto}
	if h.Layers&packet.HasPorts != 0 {
		out[12], out[22] = portOctets(h.SrcPort), portOctets(h.DstPort)
	}
	return out
}

func portOctets(n uint16) octets16 { return octets16{byte(n >> 8), byte(n)} }

// keyOf returns the key here that says the same as the engine's pattern queue;
// ok is false if the packet lacks what was saved, of which the engine saves
// zeros.
func keyOf(queue []pushed, h *packet.Headers) (k rules.Key, ok bool) {
	var lacking rules.Attr
	for _, q := range queue {
		lacking |= putKey(&k, q, h)
	}
	return k, lacking&^k.Saved == 0
}

// putKey puts one entry into the key, or returns what the packet lacks of it.
func putKey(k *rules.Key, q pushed, h *packet.Headers) rules.Attr {
	e, number := &k.Src, q.attr
	if number >= 14 && number <= 23 {
		e, number = &k.Dst, number-10
	}
	if q.attr >= 36 {
		putVariable(k, q)
		return 0
	}
	attr := map[int]rules.Attr{4: rules.Iface, 6: rules.SrcMAC, 8: rules.Version, 9: rules.SrcAddr, 11: rules.Proto, 12: rules.SrcPort}[number]
	if e == &k.Dst && attr.Swap() != attr {
		attr = attr.Swap()
	}
	switch there := has(q, number, h); {
	case !there && (number == 12 || q.rule.op == opPushRuleTo && !q.rule.constant):
		return 0 // ports may be absent; and what matched the value 0 is absent here
	case !there:
		return attr
	}
	k.Saved |= attr
	switch number {
	case 4:
		k.Iface = uint32(q.value[0])
	case 6:
		e.MAC = [6]byte(q.value[:6])
	case 8:
		k.Version = h.Version
	case 9:
		putAddress(k, e, q, h)
	case 11:
		k.Proto = q.value[0]
	case 12:
		e.Port, e.PortLen = binary.BigEndian.Uint16(q.value[:2]), uint8(ones(q.mask))
	}
	return 0
}

// has tells whether a packet has what an entry is of, or the entry is a
// constant: of an address, one of the packet's family.
func has(q pushed, number int, h *packet.Headers) bool {
	ip := h.Layers&packet.HasIP != 0
	constant := q.rule.constant && (q.rule.op == opPushRuleTo || q.rule.op == opPushRuleToAct || q.rule.op == opCount)
	switch number {
	case 6:
		return constant || h.Layers&packet.HasMAC != 0
	case 8:
		return ip
	case 9:
		return ip && (!constant || isV4(q) == (h.Version == 4))
	case 11:
		return constant || ip
	case 12:
		return constant || h.Layers&packet.HasPorts != 0
	}
	return true
}

func putAddress(k *rules.Key, e *rules.End, q pushed, h *packet.Headers) {
	k.Saved |= rules.Version
	k.Version = h.Version
	e.Addr, e.AddrLen = q.value, uint8(ones(q.mask))
	if h.Version == 4 {
		e.Addr, e.AddrLen = netip.AddrFrom4([4]byte(q.value[:4])).As16(), min(e.AddrLen, 32)
	}
}

// isV4 tells whether a constant was written with four octets.
func isV4(q pushed) bool { return ones(q.mask) <= 32 && [12]byte(q.value[4:]) == [12]byte{} }

func ones(mask octets16) (n int) {
	for _, b := range mask {
		n += bits.OnesCount8(b)
	}
	return n
}

func putVariable(k *rules.Key, q pushed) {
	n := uint16(q.value[0])
	at, attr := map[int]*uint16{36: &k.Src.Class, 37: &k.Dst.Class, 38: &k.Class, 39: &k.Src.Kind, 40: &k.Dst.Kind, 41: &k.Kind},
		map[int]rules.Attr{36: rules.SrcClass, 37: rules.DstClass, 38: rules.FlowClass, 39: rules.SrcKind, 40: rules.DstKind, 41: rules.FlowKind}
	*at[q.attr] = n
	k.Saved |= attr[q.attr]
}

const computed = rules.SrcClass | rules.DstClass | rules.FlowClass | rules.SrcKind | rules.DstKind | rules.FlowKind

// plain returns a key with the numbers of names replaced by the characters
// that they were in SRL, and with variables of value 0 as if they were not
// saved: to the engine that is the same.
func plain(k rules.Key, p *rules.Program) rules.Key {
	for attr, n := range map[rules.Attr]*uint16{rules.SrcClass: &k.Src.Class, rules.DstClass: &k.Dst.Class, rules.FlowClass: &k.Class,
		rules.SrcKind: &k.Src.Kind, rules.DstKind: &k.Dst.Kind, rules.FlowKind: &k.Kind} {
		if name := p.KindName(*n); name != "" {
			*n = uint16(name[0])
		}
		if *n == 0 {
			k.Saved &^= attr
		}
	}
	return k
}

// A pair is one program both ways.
type pair struct {
	src, yaml string
	table     []pmeRule
	program   *rules.Program
	zeros     map[rules.Key]rules.Attr // keys → which variables were saved
	executed  map[opcode]bool
}

func newPair(t testing.TB, src string) *pair {
	t.Helper()
	yaml, err := Translate("test.srl", "test", []byte(src))
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, src)
	}
	return &pair{src: src, yaml: string(yaml), table: table(parsedProgram(t, src)), program: ruleSet(t, string(yaml)).Program,
		zeros: map[rules.Key]rules.Attr{}, executed: map[opcode]bool{}}
}

// wanted returns what the engine says of a packet, in the words of a Match.
func (p *pair) wanted(h *packet.Headers) (verdict rules.Verdict, key rules.Key, swapped bool) {
	result, queue, swapped := matchBoth(p.table, attributesOf(h), p.executed)
	switch result {
	case pmeIgnore:
		return rules.Ignored, key, false
	case pmeNoMatch:
		return rules.NoMatch, key, false
	}
	seen := *h
	if swapped {
		seen.Src, seen.Dst, seen.SrcPort, seen.DstPort, seen.SrcMAC, seen.DstMAC = h.Dst, h.Src, h.DstPort, h.SrcPort, h.DstMAC, h.SrcMAC
	}
	key, ok := keyOf(queue, &seen)
	if !ok {
		return rules.NoKey, rules.Key{}, false
	}
	return rules.Counted, plain(key, p.program), swapped
}

// compare runs a packet through both.
func (p *pair) compare(t *testing.T, h *packet.Headers) rules.Verdict {
	t.Helper()
	verdict, key, swapped := p.wanted(h)
	var m rules.Match
	p.program.Match(h, nil, &m)
	got := plain(m.Key, p.program)
	if m.Verdict != rules.Counted {
		got = rules.Key{}
	}
	if m.Verdict != verdict || m.Swapped != swapped || got != key {
		t.Fatalf("the engine says %v (swapped: %v), the rules %v (%v)\nkeys -engine +rules:\n%s\npacket %+v\n%s\n%s",
			verdict, swapped, m.Verdict, m.Swapped, cmp.Diff(key, got), h, p.src, p.yaml)
	}
	if verdict == rules.Counted {
		saved := m.Key.Saved & computed
		if before, known := p.zeros[key]; known && before != saved {
			t.Fatalf("one flow of the engine is two here: variables %b and %b\npacket %+v\n%s\n%s", before, saved, h, p.src, p.yaml)
		}
		p.zeros[key] = saved
	}
	return verdict
}

// A maker makes random programs and packets of the same few values.
type maker struct{ *rand.Rand }

func newMaker(seed uint64) *maker { return &maker{rand.New(rand.NewPCG(seed, 7))} }

func pick[T any](m *maker, from ...T) T { return from[m.IntN(len(from))] }

func (m *maker) packet() *packet.Headers {
	h := &packet.Headers{Iface: uint32(m.IntN(3)), SrcPort: m.port(), DstPort: m.port(), Proto: pick(m, uint8(6), 6, 17, 17, 1, 58, 47)}
	if m.IntN(3) != 0 {
		h.Layers |= packet.HasMAC
		h.SrcMAC, h.DstMAC = m.mac(), m.mac()
	}
	if m.IntN(12) == 0 {
		return h
	}
	from := []string{"10.1.2.3", "10.1.2.4", "10.1.9.1", "10.200.0.1", "192.168.4.7", "8.8.8.8", "172.16.1.1"}
	h.Version, h.Layers = 4, h.Layers|packet.HasIPv4
	if m.IntN(4) == 0 {
		from = []string{"fd00::1", "fd00::2", "2001:db8::1", "2001:db8:0:1::1"}
		h.Version, h.Layers = 6, h.Layers&^packet.HasIPv4|packet.HasIPv6
	}
	h.Src, h.Dst = netip.MustParseAddr(pick(m, from...)).As16(), netip.MustParseAddr(pick(m, from...)).As16()
	switch h.Proto {
	case 6:
		h.Layers |= packet.HasPorts | packet.HasTCP
	case 17:
		h.Layers |= packet.HasPorts | packet.HasUDP
	case 1:
		h.Layers |= packet.HasICMP
	}
	return h
}

func (m *maker) port() uint16 { return pick(m, uint16(0), 20, 53, 80, 443, 1024, 8080, 65535) }

func (m *maker) mac() [6]byte {
	return pick(m, [6]byte{0, 0x1b, 0x21, 0, 0, 1}, [6]byte{0, 0x1b, 0x21, 0, 0, 2}, [6]byte{2})
}
