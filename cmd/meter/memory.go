package main

import (
	"math"
	"os"
	"runtime/debug"

	"github.com/dustin/go-humanize"

	"flowmeter/cmd/meter/internal/cgroup"
	"flowmeter/meter"
	"flowmeter/meter/flow"
)

// rootFS is the file system from / on.
var rootFS = os.DirFS("/")

// setMemoryLimit keeps Go's heap within the control group of the process: nine
// tenths of its limit, less what is mapped outside of the heap, as rings and
// flow tables are. GOMEMLIMIT, where it is set, wins. GOMAXPROCS needs no such
// care: since Go 1.25 the runtime itself follows the CPU limit.
func (a *app) setMemoryLimit(outside uint64) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	group, err := cgroup.MemoryLimit(rootFS)
	if err != nil {
		a.log.Warn("the memory limit of the control group is not known", "error", err)
		return
	}
	limit, enough := heapLimit(group, outside)
	debug.SetMemoryLimit(limit)
	if group == cgroup.Unlimited {
		return
	}
	log := a.log.With("group", humanize.IBytes(group), "outside", humanize.IBytes(outside), "heap", humanize.IBytes(uint64(limit)))
	if !enough {
		log.Warn("the control group has too little memory for this configuration: lower max_flows or the rings, or raise the limit")
		return
	}
	log.Info("memory limit")
}

// heapLimit returns what is left to the heap of a control group's limit. It is
// never less than a tenth of it, at which enough is false: with less, Go would
// do nothing but collect.
func heapLimit(group, outside uint64) (limit int64, enough bool) {
	if group == cgroup.Unlimited {
		return math.MaxInt64, true
	}
	least, most := group/10, group-group/10
	if outside > most-least {
		return int64(least), false
	}
	return int64(most - outside), true
}

// Octets outside of the heap for each flow of a full table; docs/design.md
// has them one by one. A key of its own takes room beside the five-tuple.
const (
	flowOctets = 224 + 21
	keyOctets  = 92
)

// tableOctets returns what the flow tables of one input map at most.
func tableOctets(cfg *meter.Config) uint64 {
	var sum uint64
	for _, rs := range cfg.RuleSets {
		for _, one := range append(rs.Reserves(), rs) {
			each := uint64(flowOctets)
			if !one.Program.Fused() {
				each += keyOctets
			}
			if one.Program.Measures() {
				each += flow.MeasuredOctets(one.Program.Distributions())
			}
			sum += uint64(one.MaxFlows) * each
		}
	}
	return sum
}
