package rules

import (
	"strings"
	"testing"

	"flowmeter/meter/conf"
)

const equalBase = `
networks: {home: [10.0.0.0/8], servers: [10.1.0.0/16, 10.2.0.0/16], unused: [192.0.2.0/24]}
sets: {web: [80, 443, 8000..8100]}
rulesets:
- name: a
  timeouts: {active: 30s}
  rules:
  - {if: 'src.addr in $servers && tcp.dstport in $web', set: {kind: web}, do: count}
  - {if: 'udp.dstport in {1,3,5,7,9,11,13,15,17,19}', save: [src.addr/24, dst.addr], do: count}
  - {if: 'ip.src == 10.9.0.0/16', do: ignore}
`

// TestEqual: what changes no flow makes no other rule set; all else does.
func TestEqual(t *testing.T) {
	for _, c := range []struct {
		what, from, to string
		equal          bool
	}{
		{"nothing", "", "", true},
		{"a list that no rule names", "192.0.2.0/24", "198.51.100.0/24", true},
		{"quotes", `'ip.src == 10.9.0.0/16'`, `"ip.src == 10.9.0.0/16"`, true},
		{"both spellings", "&&", "and", true},
		{"the name", "name: a", "name: b", false},
		{"a timeout", "active: 30s", "active: 31s", false},
		{"home", "home: [10.0.0.0/8]", "home: [10.0.0.0/9]", false},
		{"a list", "10.2.0.0/16", "10.3.0.0/16", false},
		{"a set", "8000..8100", "8000..8101", false},
		{"many ports", "17,19}", "17,21}", false},
		{"a prefix", "10.9.0.0/16", "10.8.0.0/16", false},
		{"a mask", "src.addr/24", "src.addr/25", false},
		{"a kind", "kind: web", "kind: www", false},
		{"an action", "do: ignore", "do: nomatch", false},
		{"orient", "name: a", "name: a\n  orient: first", false},
		{"the cap", "name: a", "name: a\n  max_flows: 7", false},
	} {
		a := parseOne(t, equalBase)
		b := parseOne(t, replaceOnce(t, equalBase, c.from, c.to))
		if a.Equal(b) != c.equal || b.Equal(a) != c.equal {
			t.Errorf("%s: equal %v, want %v", c.what, a.Equal(b), c.equal)
		}
	}
}

func parseOne(t *testing.T, text string) *RuleSet {
	t.Helper()
	v, c := conf.Parse("test.yaml", []byte(text))
	sets, _ := ParseFile(v, DefaultNetworks())
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	return sets[0]
}

func TestFilterEqual(t *testing.T) {
	filter := func(text string) *Filter {
		f, err := ParseFilter("--filter", text, DefaultNetworks(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	var none *Filter
	if !filter("tcp").Equal(filter("tcp")) || filter("tcp").Equal(filter("udp")) || filter("tcp").Equal(nil) || none.Equal(filter("tcp")) || !none.Equal(nil) {
		t.Error("filters")
	}
}

// replaceOnce replaces what must be there.
func replaceOnce(t *testing.T, text, from, to string) string {
	t.Helper()
	if !strings.Contains(text, from) {
		t.Fatalf("%q is not there", from)
	}
	return strings.Replace(text, from, to, 1)
}

// TestEqualReserves: a rule set is what it was only if its standby is, too.
func TestEqualReserves(t *testing.T) {
	const base = "rulesets: [{name: a, overload: {standby: b, high_water: 80%}}, {name: b, runs: standby, max_flows: 7}, {name: c, runs: standby, max_flows: 7}]"
	for _, c := range []struct {
		from, to string
		equal    bool
	}{
		{"", "", true}, {"c, runs: standby, max_flows: 7", "c, runs: standby, max_flows: 9", true},
		{"80%", "81%", false}, {"high_water: 80%", "high_water: 80%, flood: 97%", false}, {"{standby: b, high_water: 80%}", "{}", false},
		{", overload: {standby: b, high_water: 80%}", "", false}, {"max_flows: 7", "max_flows: 8", false}, {"standby: b", "standby: c", false},
	} {
		a, b := parseOne(t, base), parseOne(t, replaceOnce(t, base, c.from, c.to))
		if a.Equal(b) != c.equal || b.Equal(a) != c.equal {
			t.Errorf("%q to %q: equal %v", c.from, c.to, a.Equal(b))
		}
	}
}
