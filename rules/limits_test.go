package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/conf"
)

// errorsOf reads a file of rules and returns its errors.
func errorsOf(text string) conf.Errors {
	v, c := conf.Parse("f", []byte(text))
	if len(c.Errors) == 0 {
		ParseFile(v, DefaultNetworks())
	}
	return c.Errors
}

// Files that ask for more than they look like are refused, and soon.
func TestLimits(t *testing.T) {
	bomb := "- &a {if: tcp, do: count}\n"
	for i := range 20 {
		c := 'a' + rune(i)
		bomb += fmt.Sprintf("- &%c {if: tcp, then: [*%c, *%c, *%c]}\n", c+1, c, c, c)
	}
	deep := strings.Repeat("[{if: tcp, then: ", 70) + "[]" + strings.Repeat("}]", 70)
	var sets, vars strings.Builder
	for i := range maxRuleSets + 1 {
		fmt.Fprintf(&sets, "- name: r%d\n", i)
	}
	for i := range maxVars + 1 {
		fmt.Fprintf(&vars, "- set: {v%d: 1}\n", i)
	}
	var twice, chain, fanned strings.Builder
	for i := range maxCalls - 1 { // each subroutine calls the next 40 times
		calls := strings.Repeat(fmt.Sprintf("{call: s%d}, ", i+1), 40)
		fmt.Fprintf(&twice, "  s%d: {rules: [%s]}\n", i, strings.TrimSuffix(calls, ", "))
	}
	fmt.Fprintf(&twice, "  s%d: {rules: [{if: tcp, return: 1}]}\n", maxCalls-1)
	for i := range maxCalls {
		fmt.Fprintf(&chain, "  s%d: {rules: [{call: s%d}]}\n", i, i+1)
	}
	fmt.Fprintf(&chain, "  s%d: {rules: [{do: return}]}\n", maxCalls)
	for i := range maxParams { // each calls the next with every parameter either way
		a := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
		calls := ""
		for range 2 {
			calls += fmt.Sprintf("{call: {s%d: [%s]}}, ", i+1, strings.Join(a, ", "))
			a[i] = "dst.port"
		}
		fmt.Fprintf(&fanned, "  s%d: {params: [a, b, c, d, e, f, g, h], rules: [%s]}\n", i, strings.TrimSuffix(calls, ", "))
	}
	fmt.Fprintf(&fanned, "  s%d: {params: [a, b, c, d, e, f, g, h], rules: [%s]}\n", maxParams, strings.TrimSuffix(strings.Repeat("{if: a == 1}, ", 2000), ", "))
	called := func(subs, args string) string {
		return "subroutines:\n" + subs + "rulesets: [{rules: [{call: {s0: [" + args + "]}}]}]"
	}
	tests := []struct{ name, text, want string }{
		{"calls in calls", called(twice.String(), ""), "a packet may be tried with more than 200000 rules"},
		{"chain of calls", called(chain.String(), ""), "calls within calls, deeper than 16"},
		{"arguments", called(fanned.String(), strings.TrimSuffix(strings.Repeat("src.port, ", 8), ", ")), "more than 200000 rules"},
		{"aliases", bomb, "more than 200000 rules"},
		{"itself", "- &a {if: tcp, then: [*a]}\n", "nested deeper than 64"},
		{"then", deep, "nested deeper than 64"},
		{"parentheses", "- if: " + strings.Repeat("(", 1000) + "tcp", "nested deeper than 64"},
		{"negations", "- if: '" + strings.Repeat("!", 1000) + "tcp'", "nested deeper than 64"},
		{"long", "- if: " + strings.Repeat("tcp || ", 10000) + "udp", "longer than 65536 octets"},
		{"rule sets", "rulesets:\n" + sets.String(), "more than 256 rule sets"},
		{"variables", vars.String(), "more than 32 variables"},
		{"name", "rulesets: [{name: " + strings.Repeat("x", 65) + "}]", "has 1 to 64 octets"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			begin := time.Now()
			errs := errorsOf(tt.text)
			if took := time.Since(begin); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			if len(errs) == 0 || !strings.Contains(errs[0].Msg, tt.want) {
				t.Errorf("got %.300v", errs)
			}
		})
	}
}

// A large rule set compiles fast, into memory that grows with it.
func TestLargeRuleSet(t *testing.T) {
	begin := time.Now()
	p := testSet(t, manyRules(10_000)).Program
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("10000 rules took %v", took)
	}
	if len(p.code) > 5*10_000 {
		t.Errorf("10000 rules became %d instructions", len(p.code))
	}
}

// FuzzParse: whatever the text, there is no panic and an end.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.yaml")
	for _, path := range files {
		if src, err := os.ReadFile(path); err == nil {
			f.Add(string(src))
		}
	}
	f.Add(newMaker(1).file())
	f.Fuzz(func(t *testing.T, text string) {
		v, c := conf.Parse("f", []byte(text))
		if len(c.Errors) > 0 {
			return
		}
		sets, _ := ParseFile(v, DefaultNetworks())
		m := newMaker(1)
		for _, rs := range sets {
			match(rs, m.packet())
		}
	})
}

// FuzzExpr does the same for an expression alone, which is found faster.
func FuzzExpr(f *testing.F) {
	m := newMaker(2)
	for range 50 {
		f.Add(m.test())
	}
	f.Add(`(tcp && udp.port in {1, 2..3}) || class == "in"`)
	f.Fuzz(func(t *testing.T, text string) {
		if filter, err := ParseFilter("filter", text, DefaultNetworks(), nil); err == nil {
			filter.Match(m.packet(), nil)
		}
	})
}
