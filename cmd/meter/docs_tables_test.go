package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"flowmeter/exporters/collect"
	"flowmeter/exporters/ipfix"
	"flowmeter/exporters/prometheus"
	"flowmeter/exporters/text"
	"flowmeter/meter"
	"flowmeter/meter/flow"
)

// table compares what a page holds between <!-- table NAME --> and
// <!-- end --> with what the code says, and writes it with -update.
func table(t *testing.T, page, name, want string) {
	t.Helper()
	path := filepath.Join("../../docs", page)
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin := "<!-- table " + name + " -->\n"
	before, rest, found := strings.Cut(string(src), begin)
	got, after, ended := strings.Cut(rest, "<!-- end -->")
	if !found || !ended {
		t.Fatalf("%s has no table %s", page, name)
	}
	if got == want {
		return
	}
	if !*update {
		t.Errorf("%s: the table %s is not what the code says; renew it with go test ./cmd/meter -run TestDocs -update", page, name)
		return
	}
	if err := os.WriteFile(path, []byte(before+begin+want+"<!-- end -->"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// row writes a line of a Markdown table.
func row(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

func head(cells ...string) string {
	return row(cells...) + strings.Repeat("| --- ", len(cells)) + "|\n"
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// TestDocsMetrics keeps the table of metric families.
func TestDocsMetrics(t *testing.T) {
	table(t, "metrics.md", "families", familyTable(families()))
	if runtime.GOOS != "linux" { // elsewhere a process is told less of itself
		return
	}
	process, err := prometheus.NewProcess().Families()
	if err != nil {
		t.Fatal(err)
	}
	table(t, "metrics.md", "process", familyTable(process))
}

func familyTable(families []prometheus.Family) string {
	var b strings.Builder
	b.WriteString(head("family", "type", "labels", "what it counts"))
	for _, f := range families {
		var labels []string
		for _, l := range f.Labels {
			labels = append(labels, code(l))
		}
		b.WriteString(row(code(f.Name), f.Type, strings.Join(labels, ", "), f.Help))
	}
	return b.String()
}

// TestDocsNames keeps the table of names that expressions know. It is made
// from the compiler's own by a test of rules.
func TestDocsNames(t *testing.T) {
	want, err := os.ReadFile("../../rules/testdata/fields.md")
	if err != nil {
		t.Fatal(err)
	}
	table(t, "rules.md", "names", string(want))
}

var typeNames = map[flow.Type]string{
	flow.Unsigned8: "unsigned8", flow.Unsigned16: "unsigned16", flow.Unsigned32: "unsigned32", flow.Unsigned64: "unsigned64",
	flow.MAC: "macAddress", flow.String: "string", flow.Millis: "dateTimeMilliseconds", flow.IPv4: "ipv4Address", flow.IPv6: "ipv6Address", flow.BasicList: "basicList",
}

// TestDocsModel keeps the table of all fields and what each exporter makes of
// them unless told otherwise.
func TestDocsModel(t *testing.T) {
	inIPFIX, inCSV := defaultIPFIX(t), text.DefaultCSV(flow.ToMillis)
	mark := func(yes bool) string {
		if yes {
			return "yes"
		}
		return ""
	}
	var b strings.Builder
	b.WriteString(head("field", "IPFIX", "type", "RFC 2722", "NetFlow v9", "reverse", "IPFIX by default", "CSV by default"))
	for _, f := range flow.Model(flow.ToMillis) {
		id, v9 := "", ""
		if f.ID != 0 {
			id = fmt.Sprint(f.ID)
		}
		if f.Private {
			id = "private " + id
		}
		if f.V9 != 0 {
			v9 = fmt.Sprint(f.V9)
		}
		if f.V9Reverse != 0 {
			v9 += fmt.Sprintf(", %d", f.V9Reverse)
		}
		b.WriteString(row(code(f.Name), id, typeNames[f.Type], f.RTFM, v9, mark(f.TwoWay),
			mark(slices.Contains(inIPFIX, prefixOf(f.Name))), mark(slices.Contains(inCSV, f.Name))))
	}
	table(t, "exporters.md", "model", b.String())
	table(t, "exporters.md", "csv", "\n    "+strings.Join(inCSV, "\n    ")+"\n\n")
}

// prefixOf returns the field that meter collect shows a prefix's length within.
func prefixOf(name string) string {
	if prefix, isLength := strings.CutSuffix(name, "PrefixLength"); isLength {
		return prefix + "Prefix"
	}
	return name
}

// TestDocsPrivate keeps the table of the meter's own elements, as it tells
// collectors of them.
func TestDocsPrivate(t *testing.T) {
	var b strings.Builder
	b.WriteString(head("number", "element", "type", "what it says"))
	rows := map[uint64]string{}
	for _, r := range everything(t) {
		if name, ok := r.Get("informationElementName").(string); ok {
			id := r.Get("informationElementId").(uint64)
			rows[id] = row(fmt.Sprint(id), code(name), typeNames[flow.Type(r.Get("informationElementDataType").(uint64))],
				r.Get("informationElementDescription").(string))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		b.WriteString(rows[id])
	}
	table(t, "exporters.md", "private", b.String())
}

// defaultIPFIX returns the names of the fields that are exported by default.
func defaultIPFIX(t *testing.T) []string {
	var names []string
	for _, r := range everything(t) {
		if r.Options {
			continue
		}
		for _, f := range r.Fields {
			names = append(names, f.Name)
		}
	}
	return names
}

// everything exports a record that has every field and decodes the messages.
func everything(t *testing.T) []collect.Record {
	t.Helper()
	var file bytes.Buffer
	cfg := ipfix.Default()
	cfg.Transport, cfg.Writer = ipfix.Writer, &file
	e, err := ipfix.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := flow.Record{Has: ^flow.Has(0), RuleSet: &flow.RuleSet{Name: "x", Named: func(uint16) string { return "x" }}}
	if err := e.Export(&flow.Batch{Records: []flow.Record{r}}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	d := collect.NewDecoder(collect.Default())
	var all []collect.Record
	for b := file.Bytes(); len(b) > 0; {
		n := binary.BigEndian.Uint16(b[2:])
		recs, err := d.Decode("file", b[:n])
		if err != nil {
			t.Fatal(err)
		}
		all, b = append(all, recs...), b[n:]
	}
	return all
}

// sections are the headings of docs/configuration.md below which a table has
// a row for each key, and where in a file these keys stand: %s.
var sections = map[string]string{
	"The file":            "%s",
	"`meter`":             "meter: {%s}",
	"`meter.inputs`":      "meter: {inputs: [{%s}]}",
	"`rulesets`":          "rulesets: [{%s}]",
	"`rulesets.timeouts`": "rulesets: [{timeouts: {%s}}]",
	"`rulesets.rules`":    "rulesets: [{rules: [{%s}]}]",
	"`subroutines`":       "subroutines: {a: {%s}}",
	"`exporters`":         "exporters: [{%s}]",
	"`ipfix`":             "exporters: [{ipfix: {%s}}]",
	"`netflow9`":          "exporters: [{netflow9: {%s}}]",
	"`netflow5`":          "exporters: [{netflow5: {%s}}]",
	"`jsonl` and `csv`":   "exporters: [{jsonl: {%s}}]",
	"`prometheus`":        "exporters: [{prometheus: {%s}}]",
	"`web`":               "web: {%s}",
	"`log`":               "log: {%s}",
	"`rulesets.overload`": "rulesets: [{overload: {%s}}]",
	"`template_refresh`":  "exporters: [{ipfix: {template_refresh: {%s}}}]",
	"`tls`":               "exporters: [{ipfix: {tls: {%s}}}]",
	"`spool`":             "exporters: [{ipfix: {spool: {%s}}}]",
	"`queue`":             "exporters: [{ipfix: {queue: {%s}}}]",
	"`engine`":            "exporters: [{netflow5: {engine: {%s}}}]",
}

var (
	knownHere = regexp.MustCompile(`unknown key "qqqqqqqqqqqq" \(known here: ([^)]*)\)`)
	keyRow    = regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|")
)

// TestDocsConfiguration compares the keys of docs/configuration.md with those
// that the program says it knows.
func TestDocsConfiguration(t *testing.T) {
	src, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for heading, place := range sections {
		_, part, found := strings.Cut(string(src), "# "+heading+"\n")
		if !found {
			t.Errorf("no heading %s", heading)
			continue
		}
		part, _, _ = strings.Cut(part, "\n#")
		var rows []string
		for _, m := range keyRow.FindAllStringSubmatch(part, -1) {
			rows = append(rows, m[1])
		}
		slices.Sort(rows)
		if keys := keysAt(t, place); !slices.Equal(rows, keys) {
			t.Errorf("%s has rows for %v, the program knows %v", heading, rows, keys)
		}
	}
}

// keysAt asks the program what keys it knows at a place of a configuration.
func keysAt(t *testing.T, place string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(fmt.Sprintf(place, "qqqqqqqqqqqq: 1")), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, stderr := meterRun(t, "check", "-c", file)
	m := knownHere.FindStringSubmatch(stderr)
	if m == nil {
		t.Fatalf("%s: %s", place, stderr)
	}
	return strings.Split(m[1], ", ")
}

var (
	testName = regexp.MustCompile("`(Test[A-Za-z0-9]+|Fuzz[A-Za-z0-9]+|Benchmark[A-Za-z0-9]+)`")
	goFile   = regexp.MustCompile("`((?:cmd|meter|rules|exporters)/[a-z0-9_/]+\\.go)`")
)

// TestDocsDesign checks that the tests and files that docs/design.md names
// are there, and that it has a line for each package.
func TestDocsDesign(t *testing.T) {
	src, err := os.ReadFile("../../docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	packages, tests := sources(t)
	for _, m := range testName.FindAllStringSubmatch(string(src), -1) {
		if !strings.Contains(tests, "\nfunc "+m[1]+"(") {
			t.Errorf("there is no %s", m[1])
		}
	}
	for _, m := range goFile.FindAllStringSubmatch(string(src), -1) {
		if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
			t.Error(err)
		}
	}
	for _, p := range packages {
		if !strings.Contains(string(src), "\n| `"+p+"` |") {
			t.Errorf("docs/design.md has no line for the package %s", p)
		}
	}
}

// sources returns the folders of all packages and the text of all tests.
func sources(t *testing.T) (packages []string, tests string) {
	t.Helper()
	var all strings.Builder
	root := "../.."
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if !slices.Contains(packages, filepath.ToSlash(rel)) {
			packages = append(packages, filepath.ToSlash(rel))
		}
		if strings.HasSuffix(path, "_test.go") {
			src, err := os.ReadFile(path)
			all.Write(src)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages, all.String()
}

// families returns the heads of all families of /metrics.
func families() []prometheus.Family {
	var all []prometheus.Family
	for _, f := range meter.Families() {
		all = append(all, headOf(&f))
	}
	for _, f := range meter.HistogramFamilies() {
		all = append(all, histogramHead(&f))
	}
	for _, f := range exporterFamilies() {
		all = append(all, f.Family)
	}
	all = append(all, reloadFamilies[:]...)
	return append(all, buildInfo)
}
