package main

import (
	"io"
	"runtime"

	"flowmeter/exporters"
	"flowmeter/exporters/prometheus"
	"flowmeter/meter"
)

// exporterFamily is a metric family of the exporters: a value for each, or
// several with a further label.
type exporterFamily struct {
	prometheus.Family
	values func(s *exporters.Stats, emit func(v uint64, labels ...string))
}

func one(of func(*exporters.Stats) uint64) func(*exporters.Stats, func(uint64, ...string)) {
	return func(s *exporters.Stats, emit func(uint64, ...string)) { emit(of(s)) }
}

// exporterFamilies returns the families of the exporters, in the order in
// which they are shown.
func exporterFamilies() []exporterFamily {
	family := func(name, kind, help string, labels ...string) prometheus.Family {
		return prometheus.Family{Name: name, Type: kind, Help: help, Labels: append([]string{"exporter"}, labels...)}
	}
	return []exporterFamily{
		{family("meter_export_records_total", "counter", "Records exported."), one(func(s *exporters.Stats) uint64 { return s.Records.Load() })},
		{family("meter_export_octets_total", "counter", "Octets sent or written."), one(func(s *exporters.Stats) uint64 { return s.Octets.Load() })},
		{family("meter_export_messages_total", "counter", "Messages sent or written."), one(func(s *exporters.Stats) uint64 { return s.Messages.Load() })},
		{family("meter_export_resent_records_total", "counter", "Records sent once more after a connection broke."), one(func(s *exporters.Stats) uint64 { return s.Resent.Load() })},
		{family("meter_export_dropped_records_total", "counter", "Records that were not exported, by reason.", "reason"), droppedRecords},
		{family("meter_export_queue_records", "gauge", "Records that wait to be exported."), one(func(s *exporters.Stats) uint64 { return uint64(max(0, s.Queued.Load())) })},
		{family("meter_export_up", "gauge", "1 if the last attempt to export succeeded."), one(up)},
	}
}

func droppedRecords(s *exporters.Stats, emit func(uint64, ...string)) {
	for r := range exporters.NumReasons {
		emit(s.Dropped(r), r.String())
	}
}

func up(s *exporters.Stats) uint64 {
	if s.Up.Load() {
		return 1
	}
	return 0
}

var buildInfo = prometheus.Family{
	Name: "meter_build_info", Type: "gauge", Help: "1, labelled with what this program was built from.",
	Labels: []string{"version", "commit", "goversion"},
}

// families returns the heads of all families of /metrics.
func families() []prometheus.Family {
	var all []prometheus.Family
	for _, f := range meter.Families() {
		all = append(all, headOf(&f))
	}
	for _, f := range exporterFamilies() {
		all = append(all, f.Family)
	}
	return append(all, buildInfo)
}

func headOf(f *meter.Family) prometheus.Family {
	return prometheus.Family{Name: f.Name, Type: f.Type, Help: f.Help, Labels: f.Labels}
}

// newPage returns what writes /metrics.
func newPage(meters []*meter.Meter, out *outputs) func(io.Writer) error {
	process := prometheus.NewProcess()
	return func(w io.Writer) error {
		page := prometheus.NewPage()
		account := meter.AccountOf(meters)
		for _, f := range meter.Families() {
			f.Collect(account, page.Add(headOf(&f)))
		}
		for _, f := range exporterFamilies() {
			emit := page.Add(f.Family)
			for _, q := range out.queues {
				f.values(q.Stats(), func(v uint64, labels ...string) {
					emit(v, append([]string{q.Name()}, labels...)...)
				})
			}
		}
		version, commit := buildVersion()
		page.Add(buildInfo)(1, version, commit, runtime.Version())
		if err := page.Write(w); err != nil {
			return err
		}
		return process.Write(w)
	}
}
