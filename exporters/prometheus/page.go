// Package prometheus writes the page of metrics in Prometheus' exposition format.
package prometheus

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/VictoriaMetrics/metrics"
)

// Page is the exposition format in the making: values in a metric set, and the
// families in the order in which they are to be shown.
type Page struct {
	set      *metrics.Set
	families []Family
	lines    map[string][]string // of histograms, by family
}

// Family is the head of a metric family.
type Family struct {
	Name, Type, Help string
	Labels           []string
}

// NewPage returns an empty page.
func NewPage() *Page { return &Page{set: metrics.NewSet(), lines: map[string][]string{}} }

// Add begins a family; what it returns adds a value with its labels' values.
func (p *Page) Add(f Family) func(v uint64, labels ...string) {
	p.families = append(p.families, f)
	return func(v uint64, labels ...string) {
		name := f.Name + labelText(f.Labels, labels)
		if f.Type == "counter" {
			p.set.GetOrCreateCounter(name).Set(v)
			return
		}
		p.set.GetOrCreateGauge(name, nil).Set(float64(v))
	}
}

// AddHistogram begins a family of histograms; what it returns adds one: the
// bounds of its buckets but +Inf, their counts, each for itself and one more for
// what is above all bounds, the sum of the values, and the labels' values.
func (p *Page) AddHistogram(f Family) func(bounds []string, counts []uint64, sum string, labels ...string) {
	p.families = append(p.families, f)
	withBound := append(slices.Clone(f.Labels), "le")
	return func(bounds []string, counts []uint64, sum string, labels ...string) {
		add := func(suffix, labels, value string) {
			p.lines[f.Name] = append(p.lines[f.Name], f.Name+suffix+labels+" "+value)
		}
		total := uint64(0)
		for i, n := range counts {
			bound := "+Inf"
			if i < len(bounds) {
				bound = bounds[i]
			}
			total += n
			add("_bucket", labelText(withBound, append(slices.Clone(labels), bound)), strconv.FormatUint(total, 10))
		}
		add("_sum", labelText(f.Labels, labels), sum)
		add("_count", labelText(f.Labels, labels), strconv.FormatUint(total, 10))
	}
}

// labelText writes {name="value",…}, escaped as the exposition format wants.
func labelText(names, values []string) string {
	if len(names) == 0 {
		return ""
	}
	var b strings.Builder
	for i, name := range names {
		b.WriteByte("{,"[min(i, 1)])
		fmt.Fprintf(&b, `%s="%s"`, name, labelEscapes.Replace(values[i]))
	}
	b.WriteByte('}')
	return b.String()
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// Write writes the page, families together under their HELP and TYPE.
func (p *Page) Write(w io.Writer) error {
	var all bytes.Buffer
	p.set.WritePrometheus(&all)
	lines := maps.Clone(p.lines)
	for scan := bufio.NewScanner(&all); scan.Scan(); {
		line := scan.Text()
		name := line[:strings.IndexAny(line, "{ ")]
		lines[name] = append(lines[name], line)
	}
	for _, f := range p.families {
		if len(lines[f.Name]) == 0 {
			continue
		}
		_, err := fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s\n", f.Name, f.Help, f.Name, f.Type, strings.Join(lines[f.Name], "\n"))
		if err != nil {
			return err
		}
	}
	return nil
}
