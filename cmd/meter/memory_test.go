package main

import (
	"bytes"
	"log/slog"
	"math"
	"runtime/debug"
	"testing"

	"flowmeter/cmd/meter/internal/cgroup"
	"flowmeter/meter"
	"flowmeter/rules"
)

func TestHeapLimit(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		group, outside uint64
		limit          int64
		enough         bool
	}{
		{cgroup.Unlimited, 0, math.MaxInt64, true},
		{cgroup.Unlimited, 1 << 40, math.MaxInt64, true},
		{1000 * mib, 0, 900 * mib, true},
		{1000 * mib, 300 * mib, 600 * mib, true},
		{1000 * mib, 800 * mib, 100 * mib, true},
		{1000 * mib, 801 * mib, 100 * mib, false},
		{1000 * mib, math.MaxUint64, 100 * mib, false},
		{0, 0, 0, true},
	} {
		limit, enough := heapLimit(c.group, c.outside)
		if limit != c.limit || enough != c.enough {
			t.Errorf("of %d, %d outside: %d, %v, want %d, %v", c.group, c.outside, limit, enough, c.limit, c.enough)
		}
	}
}

// TestMemoryLimitIsSet compares what the runtime then has with what the
// control group of this very process says; GOMEMLIMIT wins over that.
func TestMemoryLimitIsSet(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	a := &app{log: slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil))}

	t.Setenv("GOMEMLIMIT", "123456789")
	debug.SetMemoryLimit(123456789)
	a.setMemoryLimit(0)
	if got := debug.SetMemoryLimit(-1); got != 123456789 {
		t.Errorf("GOMEMLIMIT is set, yet the limit is %d", got)
	}
	t.Setenv("GOMEMLIMIT", "")
	a.setMemoryLimit(1 << 20)
	group, err := cgroup.MemoryLimit(rootFS)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := heapLimit(group, 1<<20); debug.SetMemoryLimit(-1) != want {
		t.Errorf("the limit is %d, want %d of %d", debug.SetMemoryLimit(-1), want, group)
	}
}

func TestTableOctets(t *testing.T) {
	src := []byte("rulesets:\n- {name: a, max_flows: 1000, rules: [{do: count}]}\n" +
		"- {name: b, max_flows: 10, rules: [{save: [src.addr/24], do: count}]}\n")
	s, err := meter.ParseSettings("f", src, rules.DefaultNetworks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tableOctets(&s.Meter), uint64(1000*245+10*337); got != want {
		t.Errorf("%d octets, want %d", got, want)
	}
	src = append(src, "- {name: c, max_flows: 100, overload: {standby: d}}\n- {name: d, runs: standby, max_flows: 20, rules: [{save: [proto], do: count}]}\n"...)
	if s, err = meter.ParseSettings("f", src, rules.DefaultNetworks(), nil); err != nil {
		t.Fatal(err)
	}
	if got, want := tableOctets(&s.Meter), uint64(1100*245+(10+20+5)*337); got != want {
		t.Errorf("%d octets with a standby and an overflow, want %d", got, want)
	}
	src = []byte("rulesets:\n- {name: a, max_flows: 10, rules: [{measure: [packet_size: {buckets: 10}, bit_rate: {buckets: 20}], do: count}]}\n")
	if s, err = meter.ParseSettings("f", src, rules.DefaultNetworks(), nil); err != nil {
		t.Fatal(err)
	}
	if got, want := tableOctets(&s.Meter), uint64(10*(245+4+96+2*8*(12+22))); got != want {
		t.Errorf("%d octets with distributions, want %d", got, want)
	}
}
