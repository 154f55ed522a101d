package meter

import (
	"strconv"

	"flowmeter/meter/capture/ring"
	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// Family is a metric family: the name, type, help and labels that /metrics and
// docs/metrics.md show, and where its values come from.
type Family struct {
	Name   string
	Type   string // counter or gauge
	Help   string
	Labels []string
	values func(*Account, emitter)
}

// emitter takes a value and its labels' values.
type emitter func(v uint64, labels ...string)

// Families returns the metric families of the meter itself, in the order in
// which they are shown. No label takes values from the wire.
func Families() []Family {
	return []Family{
		{"meter_packets_read_total", "counter", "Packets read.", []string{"input"},
			byInput(func(t *Totals) uint64 { return t.Read })},
		{"meter_octets_read_total", "counter", "Octets read, of whole frames on the wire.", []string{"input"},
			byInput(func(t *Totals) uint64 { return t.Octets })},
		{"meter_filtered_packets_total", "counter", "Packets left out by the filter.", []string{"input"},
			byInput(func(t *Totals) uint64 { return t.Filtered })},
		{"meter_capture_packets_total", "counter", "Frames that came in on a live interface, behind the kernel's filter, those dropped included.", []string{"input", "interface"},
			byInterface(func(s *ring.InterfaceStats) uint64 { return s.Packets })},
		{"meter_capture_drops_total", "counter", "Frames that the kernel dropped for want of room in the ring.", []string{"input", "interface"},
			byInterface(func(s *ring.InterfaceStats) uint64 { return s.Drops })},
		{"meter_capture_freezes_total", "counter", "Times the ring of a live interface was full.", []string{"input", "interface"},
			byInterface(func(s *ring.InterfaceStats) uint64 { return s.Freezes })},
		{"meter_interface_up", "gauge", "1 if the interface is there, up and read.", []string{"input", "interface"}, byInterface(interfaceUp)},
		{"meter_worker_progress_timestamp_seconds", "gauge", "When a worker of a live input last went round, which it does all the time, in seconds since 1970.", []string{"input", "worker"}, progress},
		{"meter_unsampled_packets_total", "counter", "Frames that sampling passed over.", []string{"input"},
			byInput(func(t *Totals) uint64 { return t.Unsampled })},
		{"meter_self_packets_total", "counter", "Packets of the meter's own export traffic, left out.", []string{"input"},
			byInput(func(t *Totals) uint64 { return t.Own })},
		{"meter_offload_frames_total", "counter", "Frames that the network card joins or cuts, and that stand for several packets.", []string{"input"},
			byInput(func(t *Totals) uint64 { return t.OffloadFrames })},
		{"meter_offload_packets_total", "counter", "Packets that such frames were counted as.", []string{"input"},
			byInput(func(t *Totals) uint64 { return t.OffloadPackets })},
		{"meter_decode_packets_total", "counter", "Packets by outcome of decoding.", []string{"input", "outcome"}, outcomes},
		{"meter_short_transport_packets_total", "counter", "Packets whose transport header was cut off by the capture.", []string{"input"},
			byInput(func(t *Totals) uint64 { return t.ShortTransport })},
		{"meter_fragments_total", "counter", "Fragments by what became of them: filled in from their first fragment, orphan, or lost: a first fragment forgotten for want of room.", []string{"input", "fate"}, fragmentFates},
		{"meter_clock_steps_total", "counter", "Times the clock was set back by more than a minute.", []string{"input"},
			byInput(func(t *Totals) uint64 { return t.ClockSteps })},
		{"meter_verdict_packets_total", "counter", "Packets by what the rule set said of them.", []string{"ruleset", "verdict"}, verdictValues},
		{"meter_rule_packets_total", "counter", "Packets by the rule that decided. Those of a flow may come when its record ends.", []string{"ruleset", "rule"},
			byRule(func(c *RuleCount) uint64 { return c.Packets })},
		{"meter_rule_octets_total", "counter", "Octets by the rule that decided, of IP headers and payload.", []string{"ruleset", "rule"},
			byRule(func(c *RuleCount) uint64 { return c.Octets })},
		{"meter_rule_turned_packets_total", "counter", "Packets by the rule whose nomatch had them tried the other way round.", []string{"ruleset", "rule"},
			byRule(func(c *RuleCount) uint64 { return c.Turned })},
		{"meter_traffic_packets_total", "counter", "Counted packets by the way they went across the home border.", []string{"ruleset", "traffic"},
			traffic(func(c *flow.Counts) *[rules.NumClasses]uint64 { return &c.Traffic })},
		{"meter_traffic_octets_total", "counter", "Counted octets, of IP headers and payload, by the way they went across the home border.", []string{"ruleset", "traffic"},
			traffic(func(c *flow.Counts) *[rules.NumClasses]uint64 { return &c.TrafficOctets })},
		{"meter_balance_open_packets", "gauge", "Packets read that are in no line of a rule set's account, or in more than one: 0, or the meter is wrong.", []string{"ruleset"}, openPackets},
		{"meter_flows_live", "gauge", "Flows in the table.", []string{"ruleset"},
			perRuleSet(func(c *flow.Counts) uint64 { return c.Live })},
		{"meter_flows_max", "gauge", "Flows that the tables have room for.", []string{"ruleset"}, flowsMax},
		{"meter_flows_created_total", "counter", "Flows begun.", []string{"ruleset"},
			perRuleSet(func(c *flow.Counts) uint64 { return c.Created })},
		{"meter_flows_ended_total", "counter", "Flow records by the reason of their end.", []string{"ruleset", "reason"}, endReasons},
		{"meter_overload_state", "gauge", "How far a rule set has given way: 0 not at all, 1 new flows are its standby's, 2 they are in its overflow flows.", []string{"ruleset"}, overloadState},
		{"meter_overload_steps_total", "counter", "Times a table of the rule set came to this state from another.", []string{"ruleset", "to"}, overloadSteps},
	}
}

// mostInterfaces is how many interfaces of an input have a label of their own:
// those that a pattern picks up may come and go for ever. The others are summed
// up as "other".
const mostInterfaces = 64

func byInterface(of func(*ring.InterfaceStats) uint64) func(*Account, emitter) {
	return func(a *Account, emit emitter) {
		for i, input := range a.Inputs {
			var rest uint64
			for j := range a.Captures[i] {
				s := &a.Captures[i][j]
				if j < mostInterfaces {
					emit(of(s), input, s.Name)
				} else {
					rest += of(s)
				}
			}
			if len(a.Captures[i]) > mostInterfaces {
				emit(rest, input, "other")
			}
		}
	}
}

func interfaceUp(s *ring.InterfaceStats) uint64 {
	if s.Up {
		return 1
	}
	return 0
}

// progress leaves out workers that have ended: they are not behind.
func progress(a *Account, emit emitter) {
	for i, input := range a.Inputs {
		for worker, at := range a.Progress[i] {
			if !at.IsZero() {
				emit(uint64(at.Unix()), input, strconv.Itoa(worker))
			}
		}
	}
}

func byInput(of func(*Totals) uint64) func(*Account, emitter) {
	return func(a *Account, emit emitter) {
		for i, input := range a.Inputs {
			emit(of(&a.Totals[i]), input)
		}
	}
}

func outcomes(a *Account, emit emitter) {
	for i, input := range a.Inputs {
		for o, n := range a.Totals[i].Outcomes {
			emit(n, input, packet.Outcome(o).String())
		}
	}
}

func fragmentFates(a *Account, emit emitter) {
	for i, input := range a.Inputs {
		emit(a.Totals[i].FragmentsFilled, input, "filled")
		emit(a.Totals[i].FragmentsOrphans, input, "orphan")
		emit(a.Totals[i].FragmentsLost, input, "lost")
	}
}

func verdictValues(a *Account, emit emitter) {
	for _, b := range a.Books {
		for v, n := range b.Counts.Verdicts {
			emit(n, b.Name, rules.Verdict(v).String())
		}
	}
}

func traffic(of func(*flow.Counts) *[rules.NumClasses]uint64) func(*Account, emitter) {
	return func(a *Account, emit emitter) {
		for _, b := range a.Books {
			for c, n := range of(b.Counts) {
				emit(n, b.Name, rules.Class(c).String())
			}
		}
	}
}

func openPackets(a *Account, emit emitter) {
	for i, name := range a.RuleSets {
		read, sum := a.Sum.balance(i)
		emit(max(read, sum)-min(read, sum), name)
	}
}

func perRuleSet(of func(*flow.Counts) uint64) func(*Account, emitter) {
	return func(a *Account, emit emitter) {
		for _, b := range a.Books {
			emit(of(b.Counts), b.Name)
		}
	}
}

func endReasons(a *Account, emit emitter) {
	for _, b := range a.Books {
		for r := flow.EndIdle; r < flow.NumEndReasons; r++ {
			emit(b.Counts.Ended[r], b.Name, r.String())
		}
	}
}

// Collect calls emit for every value of a family.
func (f *Family) Collect(a *Account, emit func(v uint64, labels ...string)) { f.values(a, emit) }
