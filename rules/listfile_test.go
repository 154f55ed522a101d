package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/conf"
)

// parseIn reads a rule file of a directory.
func parseIn(dir, text string) ([]*RuleSet, *conf.Collector) {
	v, c := conf.Parse(filepath.Join(dir, "rules.yaml"), []byte(text))
	sets, _ := ParseFile(v, DefaultNetworks())
	return sets, c
}

func writeList(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const listRules = `
networks: {customers: {file: customers.txt}}
sets:
  services: [53, {file: services.txt}]
  names: {file: names.txt}
rulesets:
- rules:
  - {set: {kind: web}}
  - {if: 'src.addr in $customers', do: ignore}
  - {if: 'dst.port in $services', do: nomatch}
  - {if: 'kind in $names', do: count}
`

// TestListFiles: lists from files mean what lists in the rules would.
func TestListFiles(t *testing.T) {
	dir := t.TempDir()
	writeList(t, dir, "customers.txt", "# who pays\n10.1.0.0/16   # a comment\r\n\n  2001:db8::/32\n10.9.9.9")
	writeList(t, dir, "services.txt", "80\n443\t# both\n8000..8100\n0x1f90\n")
	writeList(t, dir, "names.txt", "web\n\"7\"\n")
	text := strings.Replace(listRules, "{set: {kind: web}}", "{set: {kind: web}}\n  - {if: proto == 200, set: {kind: \"7\"}}", 1)
	sets, c := parseIn(dir, text)
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		src  string
		port uint16
		want Verdict
	}{
		{"10.1.2.3", 53, Ignored}, {"10.9.9.9", 1, Ignored}, {"10.9.9.8", 53, NoMatch}, {"10.2.0.1", 8080, NoMatch},
		{"10.2.0.1", 443, NoMatch}, {"10.2.0.1", 81, Counted},
	} {
		h := udpPacket(tt.src, tt.port, "8.8.8.8", tt.port)
		if m := match(sets[0], h); m.Verdict != tt.want {
			t.Errorf("%s %d: %v, want %v", tt.src, tt.port, m.Verdict, tt.want)
		}
	}
	again, _ := parseIn(dir, text)
	if !again[0].Equal(sets[0]) {
		t.Error("what did not change is not equal")
	}
	for _, name := range []string{"customers.txt", "services.txt"} {
		src, _ := os.ReadFile(filepath.Join(dir, name))
		writeList(t, dir, name, strings.Replace(string(src), "80", "81", 1)+"\n# more\n"+map[string]string{"customers.txt": "10.8.0.0/16"}[name])
		changed, c := parseIn(dir, text)
		if err := c.Err(); err != nil {
			t.Fatal(err)
		}
		if changed[0].Equal(sets[0]) {
			t.Errorf("%s changed, but the rule sets are equal", name)
		}
		writeList(t, dir, name, string(src))
	}
}

// TestListFileMistakes: each stands where the mistake is.
func TestListFileMistakes(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ networks, list, want string }{
		{"{file: list.txt}", "10.0.0.0/8\n # no\n  10.0.0.300\n", `list.txt:3:3: "10.0.0.300" is no prefix (write an address or address/length: 192.168.0.0/16, fd00::/8)`},
		{"[10.0.0.0/8, {file: list.txt}]", "10.0.0.0/8 10.1.0.0/16", `list.txt:1:1: "10.0.0.0/8 10.1.0.0/16" is no prefix`},
		{"{file: none.txt}", "", "rules.yaml:1:22: stat "},
		{"{file: dir}", "", "dir is no file (a file of values, one a line)"},
		{"{files: list.txt}", "", `unknown key "files" (did you mean file?)`},
		{"{file: list.txt}", strings.Repeat("1", maxExprLen+2), "list.txt:1: the line is longer than 65536 octets"},
	} {
		writeList(t, dir, "list.txt", tt.list)
		_, c := parseIn(dir, "networks: {a: "+tt.networks+"}\nrulesets: [{rules: [{do: count}]}]\n")
		if err := c.Err(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s of %.40q: %v, want %s", tt.networks, tt.list, err, tt.want)
		}
	}
	writeList(t, dir, "set.txt", "80\n9 9\n")
	_, c := parseIn(dir, "sets: {a: {file: set.txt}}\n")
	if err := c.Err(); err == nil || !strings.Contains(err.Error(), "set.txt:2:3: unexpected 9") {
		t.Errorf("%v", err)
	}
	writeList(t, dir, "set.txt", strings.Repeat("10.0.0.0/99\n", 5000))
	_, c = parseIn(dir, "networks: {a: {file: set.txt}}\n")
	if n := len(c.Errors); n == 0 || n > 2*maxErrors {
		t.Errorf("%d errors", n)
	}
}

// TestLongLists: many values load soon, also where many rules use them, into
// memory that grows with the lists alone.
func TestLongLists(t *testing.T) {
	const many = 100_000
	dir := t.TempDir()
	var prefixes, macs, rules strings.Builder
	for i := range many {
		fmt.Fprintf(&prefixes, "%d.%d.%d.0/24\n", 1+i/65536, i/256%256, i%256)
		fmt.Fprintf(&macs, "00:1b:21:%02x:%02x:%02x\n", i>>16, i>>8&255, i&255)
	}
	writeList(t, dir, "prefixes.txt", prefixes.String())
	writeList(t, dir, "macs.txt", macs.String())
	for i := range 1000 {
		fmt.Fprintf(&rules, "  - {if: 'src.addr in $p && dst.port == %d && dst.addr in $q && src.mac in $m', do: ignore}\n", i)
	}
	text := "networks: {p: {file: prefixes.txt}}\nsets: {q: {file: prefixes.txt}, m: {file: macs.txt}}\nrulesets:\n- rules:\n" +
		rules.String() + "  - {if: 'src.addr in $p', do: count}\n"
	before := heap()
	begin := time.Now()
	sets, c := parseIn(dir, text)
	took, used := time.Since(begin), heap()-before
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%v, %d KiB", took, used>>10)
	if took > 30*time.Second || used > 200<<20 {
		t.Errorf("3 lists of %d values: %v, %d KiB", many, took, used>>10)
	}
	h := udpPacket("1.2.3.4", 5, "2.0.0.1", 1500)
	if m := match(sets[0], h); m.Verdict != Counted {
		t.Errorf("%+v", m)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
