package meter

import (
	"fmt"
	"strings"
	"testing"
)

// histograms returns the counts and sums of all histograms, by name and labels.
func histograms(a *Account) map[string]string {
	all := map[string]string{}
	for _, f := range HistogramFamilies() {
		f.Collect(a, func(h Histogram, labels ...string) {
			all[f.Name+" "+strings.Join(labels, ",")] = fmt.Sprintf("%v %v %s", h.Bounds, h.Counts, h.Sum)
		})
	}
	return all
}

// TestHistogramsOverReloads: inputs that share a NameTable add to the same
// histograms, also one after the other; other buckets begin anew.
func TestHistogramsOverReloads(t *testing.T) {
	const sets = "rulesets: [{name: a, rules: [{measure: [packet_size: {linear: 0..1500, buckets: 4}], do: count}]}, {name: b}]"
	names := &NameTable{}
	meterIt := func(sets string) *Meter {
		cfg := DefaultConfig()
		cfg.RuleSets, cfg.Names = ruleSets(t, sets), names
		c := newCollector()
		m := New(cfg, []Exporter{c})
		if err := run(m, c, func(err error) { t.Error(err) }, randomTrace(1, 2000).open(32)); err != nil {
			t.Fatal(err)
		}
		return m
	}
	once := histograms(AccountOf([]*Meter{meterIt(sets)}))
	twice := histograms(AccountOf([]*Meter{meterIt(sets)}))
	if len(once) != 2 || len(twice) != 2 {
		t.Fatalf("%v, then %v", once, twice)
	}
	for name, one := range once {
		var n [5]int
		var sum int
		if _, err := fmt.Sscanf(one, "[0 500 1000 1500] [%d %d %d %d %d] %d", &n[0], &n[1], &n[2], &n[3], &n[4], &sum); err != nil || sum == 0 {
			t.Fatalf("%s is %s: %v", name, one, err)
		}
		for i := range n {
			n[i] *= 2
		}
		if want := fmt.Sprintf("[0 500 1000 1500] %v %d", n, 2*sum); twice[name] != want {
			t.Errorf("%s is %s after the second input, want %s", name, twice[name], want)
		}
	}
	other := histograms(AccountOf([]*Meter{meterIt(strings.Replace(sets, "buckets: 4", "buckets: 3", 1))}))
	for name, h := range other {
		if !strings.HasPrefix(h, "[0 750 1500] [") || strings.Contains(h, "[0 0 0 0]") {
			t.Errorf("with other buckets %s is %s", name, h)
		}
	}
	if len(other) != 2 {
		t.Errorf("with other buckets %v", other)
	}
}

func TestDecimal(t *testing.T) {
	for _, c := range []struct {
		n      uint64
		digits int
		want   string
	}{{0, 0, "0"}, {0, 6, "0"}, {1, 6, "0.000001"}, {1135, 6, "0.001135"}, {1_800_000, 6, "1.8"}, {2_000_000, 6, "2"},
		{125, 3, "0.125"}, {12_500, 3, "12.5"}, {18446744073709551615, 9, "18446744073.709551615"}, {1500, 0, "1500"}} {
		if got := decimal(c.n, c.digits); got != c.want {
			t.Errorf("%d with %d digits is %s, want %s", c.n, c.digits, got, c.want)
		}
	}
}
