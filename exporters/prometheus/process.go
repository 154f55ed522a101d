package prometheus

import (
	"fmt"
	"io"
	"strings"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// Process is what every exporter tells of its own process and of Go's runtime,
// under the names that dashboards know.
type Process struct{ registry *client.Registry }

// NewProcess returns the families of this process.
func NewProcess() *Process {
	r := client.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Process{r}
}

// Write writes the families with HELP and TYPE.
func (p *Process) Write(w io.Writer) error {
	families, err := p.registry.Gather()
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
	families, err := p.registry.Gather()
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
