package rules

import (
	"slices"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/conf"
	"flowmeter/meter/packet"
)

// parsed reads rule sets without a mistake.
func parsed(t *testing.T, text string) []*RuleSet {
	t.Helper()
	v, c := conf.Parse("test.yaml", []byte(text))
	sets, _ := ParseFile(v, DefaultNetworks())
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	return sets
}

func namesOf(sets []*RuleSet) (names []string) {
	for _, rs := range sets {
		names = append(names, rs.Name)
	}
	return names
}

// TestOverloadSettings: standbys do not run by themselves, whatever their place;
// marks have their defaults.
func TestOverloadSettings(t *testing.T) {
	sets := parsed(t, `
rulesets:
- {name: coarse, runs: standby, max_flows: 7}
- {name: a, runs: always, timeouts: {active: 9s, idle: 3s}, overload: {standby: coarse}}
- {name: b, overload: {}}
- {name: c, overload: }
- {name: d, overload: {flood: 50%}}
- {name: e}`)
	if got := namesOf(sets); !slices.Equal(got, []string{"a", "b", "c", "d", "e"}) {
		t.Fatalf("%v run", got)
	}
	for i, want := range []struct {
		reserves         []string
		highWater, flood int
	}{
		{[]string{"coarse", "a overflow"}, 90, 98}, {[]string{"b overflow"}, 90, 98}, {[]string{"c overflow"}, 90, 98}, {[]string{"d overflow"}, 90, 50}, {nil, 0, 0},
	} {
		rs := sets[i]
		if got := namesOf(rs.Reserves()); !slices.Equal(got, want.reserves) {
			t.Errorf("%s: reserves %v, not %v", rs.Name, got, want.reserves)
		}
		if o := rs.Overload; o != nil && (o.HighWater != want.highWater || o.Flood != want.flood) || o == nil && want.flood != 0 {
			t.Errorf("%s: %+v", rs.Name, o)
		}
		if err := rs.Validate(); err != nil {
			t.Errorf("%s: %v", rs.Name, err)
		}
	}
	a := sets[0].Overload
	if a.Standby.MaxFlows != 7 || a.Overflow.Active != 9*time.Second || a.Overflow.Idle != 3*time.Second || a.Overflow.MaxFlows != 5 {
		t.Errorf("%+v %+v", a.Standby, a.Overflow)
	}
}

// TestOverloadValidate is of what flags and programs may have changed since.
func TestOverloadValidate(t *testing.T) {
	for _, c := range []struct {
		change func(*RuleSet)
		want   string
	}{
		{func(rs *RuleSet) { rs.Overload.Flood = 101 }, "flood: 101%"},
		{func(rs *RuleSet) { rs.Overload.HighWater = 0 }, "high_water: 0%"},
		{func(rs *RuleSet) { rs.Overload.HighWater = 99 }, "above flood"},
		{func(rs *RuleSet) { rs.Overload.Standby.MaxFlows = 0 }, "standby b: max_flows"},
		{func(rs *RuleSet) { rs.Overload.Standby.Idle = 0 }, "standby b: idle"},
	} {
		rs := parsed(t, "rulesets: [{name: a, overload: {standby: b}}, {name: b, runs: standby}]")[0]
		if c.change(rs); rs.Validate() == nil || !strings.Contains(rs.Validate().Error(), c.want) {
			t.Errorf("%v, not %s", rs.Validate(), c.want)
		}
	}
}

// TestOverflowCountsEverything in one flow for each class, as packets are sent.
func TestOverflowCountsEverything(t *testing.T) {
	p := parsed(t, "rulesets: [{name: a, orient: perimeter, overload: {}}]")[0].Overload.Overflow.Program
	home, away := [16]byte{10: 0xff, 11: 0xff, 12: 10, 15: 1}, [16]byte{10: 0xff, 11: 0xff, 12: 8, 15: 1}
	keys := map[Key]Class{}
	for _, c := range []struct {
		src, dst [16]byte
		class    Class
	}{{away, home, In}, {home, away, Out}, {home, home, Internal}, {away, away, Transit}, {class: NoClass}} {
		for _, flags := range []uint16{packet.SYN, packet.SYN | packet.ACK, packet.FIN} {
			h := &packet.Headers{Layers: packet.HasMAC, WireLen: 60}
			if c.class != NoClass {
				h.Layers |= packet.HasIPv4 | packet.HasPorts | packet.HasTCP
				h.Version, h.Proto, h.Src, h.Dst, h.TCPFlags, h.SrcPort, h.DstPort = 4, packet.ProtoTCP, c.src, c.dst, flags, 1024, 80
			}
			var m Match
			p.Match(h, nil, &m)
			if m.Verdict != Counted || m.Swapped || m.Class != c.class || m.Key.Class != uint16(c.class) {
				t.Errorf("%v: %+v", c.class, m)
			}
			keys[m.Key] = c.class
		}
	}
	if len(keys) != int(NumClasses) {
		t.Errorf("%d keys", len(keys))
	}
}
