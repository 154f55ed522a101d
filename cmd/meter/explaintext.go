package main

import (
	"bufio"
	"fmt"
	"strings"
	"time"

	"flowmeter/exporters/text"
	"flowmeter/meter"
	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// explainText prints explanations for people.
type explainText struct {
	w   *bufio.Writer
	all bool // long runs of rules that are not true, too
}

func newExplainText(w *bufio.Writer, all bool) *explainText { return &explainText{w, all} }

func (e *explainText) packet(x *meter.Explanation) error {
	fmt.Fprintf(e.w, "packet %d of %s, %s, %s: %s\n", x.Number, x.Source,
		time.Unix(0, x.Headers.Time).UTC().Format("2006-01-02 15:04:05.000000"), plural(octetsOf(x.Headers), "octet"), whatIs(x))
	if x.Left != "" {
		fmt.Fprintf(e.w, "  %s: given to no rule set\n", x.Left)
	}
	for i := range x.Sets {
		e.ruleSet(x, &x.Sets[i])
	}
	_, err := fmt.Fprintln(e.w)
	return err
}

// octetsOf is what the packet counts for.
func octetsOf(h *packet.Headers) uint64 {
	if h.Layers&packet.HasIP != 0 {
		return uint64(h.TotalLen)
	}
	return uint64(h.WireLen)
}

// describePacket says what a packet is, seen as on the wire.
func describePacket(h *packet.Headers) string {
	r := flow.Record{}
	k := &r.Key
	if h.Layers&packet.HasIP == 0 {
		k.Saved = rules.SrcMAC | rules.DstMAC | rules.EtherType
		k.Src.MAC, k.Dst.MAC, k.EtherType = h.SrcMAC, h.DstMAC, h.EtherType
		return text.Identity(&r)
	}
	k.Saved, k.Proto = rules.SrcAddr|rules.DstAddr|rules.Proto, h.Proto
	k.Src = rules.End{Addr: h.Src, Port: h.SrcPort, PortLen: 16, AddrLen: 128}
	k.Dst = rules.End{Addr: h.Dst, Port: h.DstPort, PortLen: 16, AddrLen: 128}
	if h.Layers&packet.HasPorts != 0 {
		k.Saved |= rules.SrcPort | rules.DstPort
	}
	if h.Layers&(packet.HasICMP|packet.HasICMPv6) != 0 {
		k.Saved |= rules.ICMP
		k.ICMP = uint16(h.ICMPType)<<8 | uint16(h.ICMPCode)
	}
	return text.Identity(&r)
}

// whatIs says what the packet is, as far as it could be decoded.
func whatIs(x *meter.Explanation) string {
	if x.Left != "" && x.Left != leftByFilter {
		return x.Outcome.String()
	}
	return describePacket(x.Headers)
}

func (e *explainText) ruleSet(x *meter.Explanation, s *meter.Explained) {
	fmt.Fprintf(e.w, "  rule set %s\n", s.RuleSet.Name)
	if s.Packet != x.Headers {
		fmt.Fprintf(e.w, "    of the packet within: %s\n", describePacket(s.Packet))
	}
	for i := range s.Passes {
		e.pass(&s.Passes[i])
	}
	fmt.Fprintf(e.w, "    %s\n", describeFate(s))
}

func (e *explainText) pass(p *rules.Pass) {
	how := "as on the wire"
	if p.Swapped {
		how = "the other way round"
	}
	fmt.Fprintf(e.w, "    seen %s, class %v:\n", how, p.Class)
	for i := 0; i < len(p.Tries); i++ {
		if n := failures(p.Tries[i:]); n > shownFailures && !e.all {
			fmt.Fprintf(e.w, "      %s … %s: %d rules that are not true\n", p.Tries[i].At, p.Tries[i+n-1].At, n)
			i += n - 1
			continue
		}
		e.try(&p.Tries[i])
	}
	switch {
	case p.Decided < 0:
		fmt.Fprintf(e.w, "      the end of the rules: nomatch\n")
	case p.Default:
		fmt.Fprintf(e.w, "      nothing was saved: the key is the five-tuple\n")
	}
	if p.Verdict == rules.NoKey {
		fmt.Fprintf(e.w, "      the frame lacks what is saved: %s\n", strings.Join(p.Lacking, ", "))
	}
}

// shownFailures is how many rules that are not true are shown one by one.
const shownFailures = 6

// failures returns how many rules in a row are not true.
func failures(tries []rules.Try) int {
	for i := range tries {
		if tries[i].True || tries[i].Depth != tries[0].Depth {
			return i
		}
	}
	return len(tries)
}

func (e *explainText) try(t *rules.Try) {
	indent := strings.Repeat("  ", t.Depth)
	line := fmt.Sprintf("      %s%s: ", indent, t.At)
	if t.If == "" {
		line += "always"
	} else {
		line += fmt.Sprintf("if %s: %v", t.If, t.True)
	}
	for i, test := range t.Tests {
		line += ifElse(i == 0, " (", ", ") + describeTest(&test)
	}
	line += ifElse(len(t.Tests) > 0, ")", "")
	fmt.Fprintln(e.w, line)
	var does []string
	if len(t.Saved) > 0 {
		does = append(does, "save "+describeValues(t.Saved))
	}
	if len(t.Set) > 0 {
		does = append(does, "set "+describeValues(t.Set))
	}
	if len(t.Asks) > 0 {
		does = append(does, "measure "+strings.Join(namesOf(t.Asks), ", "))
	}
	if t.Calls != "" {
		does = append(does, "call "+t.Calls)
	}
	if t.Does != "" {
		does = append(does, t.Does)
	}
	if does != nil {
		fmt.Fprintf(e.w, "        %s%s\n", indent, strings.Join(does, "; "))
	}
}

func namesOf(qs []rules.Quantity) (names []string) {
	for _, q := range qs {
		names = append(names, q.String())
	}
	return names
}

func ifElse(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

func describeTest(t *rules.Test) string {
	if len(t.Values) == 0 {
		return t.Field + " is absent"
	}
	return t.Field + " is " + strings.Join(t.Values, " and ")
}

func describeValues(vs []rules.Value) string {
	words := make([]string, len(vs))
	for i, v := range vs {
		words[i] = v.Name + " = " + ifElse(v.Value == "", "absent", v.Value)
	}
	return strings.Join(words, ", ")
}

// describeFate says what the rule set, and its table, made of the packet.
func describeFate(s *meter.Explained) string {
	switch v := s.Fate.Verdict; v {
	case rules.Counted:
		return fmt.Sprintf("counted, %s, in flow %016x piece %d: %s\n    the flow's direction: %s", wayNames[s.Way], s.Flow.FlowID, s.Flow.Piece,
			text.Identity(&s.Flow), evidenceTexts[s.Flow.Evidence])
	case rules.NoRoom:
		return v.String() + ": counted by the rules, but the table has no room for a new flow"
	case rules.Standby, rules.Overflow:
		return v.String() + ": counted by the rules, but the table has no room for a new flow: given to"
	default:
		return v.String()
	}
}

var wayNames = [2]string{"forward", "reverse"}

// evidenceTexts say why a flow has the direction that it has.
var evidenceTexts = [rules.NumEvidences]string{
	rules.EvidenceSYN:       "syn, a SYN came from its source",
	rules.EvidenceSYNACK:    "synack, a SYN with ACK came from its destination",
	rules.EvidenceICMP:      "icmp, an ICMP request from its source or a reply to it",
	rules.EvidenceRule:      "rule, the rules matched its first packet in the second try",
	rules.EvidencePerimeter: "perimeter, its source is outside, its destination home",
	rules.EvidenceFirst:     "first, its first packet came from its source",
}
