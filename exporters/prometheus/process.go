package prometheus

import (
	"fmt"
	"io"
	"strings"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// Process is what every exporter tells of its own process and of Go's runtime,
// under the names that dashboards know.
type Process struct{ families client.Gatherer }

// NewProcess returns the families of this process.
func NewProcess() *Process {
	r := client.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Process{withStart(r)}
}

// began is when this process did, within a few milliseconds.
var began = time.Now()

const startTime = "process_start_time_seconds"

// withStart adds the time of the start to families that lack it: the collector
// computes it from /proc/stat, which a service whose unit says ProcSubset=pid
// does not see.
func withStart(g client.Gatherer) client.Gatherer {
	families, err := g.Gather()
	if err != nil {
		return g
	}
	for _, f := range families {
		if f.GetName() == startTime {
			return g
		}
	}
	own := client.NewRegistry()
	own.MustRegister(client.NewGaugeFunc(client.GaugeOpts{Name: startTime, Help: "Start time of the process since unix epoch in seconds."},
		func() float64 { return float64(began.UnixMilli()) / 1e3 }))
	return client.Gatherers{g, own}
}

// Write writes the families with HELP and TYPE.
func (p *Process) Write(w io.Writer) error {
	families, err := p.families.Gather()
	if err != nil {
		return fmt.Errorf("metrics of the process: %w", err)
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return err
		}
	}
	return nil
}

// Families returns the heads of the families, in the order of Write.
func (p *Process) Families() ([]Family, error) {
	families, err := p.families.Gather()
	var all []Family
	for _, f := range families {
		head := Family{Name: f.GetName(), Type: strings.ToLower(f.GetType().String()), Help: f.GetHelp()}
		for _, l := range f.GetMetric()[0].GetLabel() {
			head.Labels = append(head.Labels, l.GetName())
		}
		all = append(all, head)
	}
	return all, err
}
