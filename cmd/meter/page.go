package main

import (
	"io"
	"runtime"
	"time"

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
		{family("meter_export_breaks_total", "counter", "Connections to a collector that broke."), one(func(s *exporters.Stats) uint64 { return s.Breaks.Load() })},
		{family("meter_export_trimmed_records_total", "counter", "Records exported without some of their distributions, for which no message has room."), one(func(s *exporters.Stats) uint64 { return s.Trimmed.Load() })},
		{family("meter_export_rerouted_records_total", "counter", "Records that another collector got in place of one that was away."), one(func(s *exporters.Stats) uint64 { return s.Rerouted.Load() })},
		{family("meter_spool_bytes", "gauge", "Octets that wait on disk for a collector."), one(func(s *exporters.Stats) uint64 { return uint64(max(0, s.SpoolOctets.Load())) })},
		{family("meter_spool_limit_bytes", "gauge", "Octets that may wait on disk for a collector; the oldest are deleted when there are more."), some(func(s *exporters.Stats) int64 { return s.SpoolLimit.Load() })},
		{family("meter_spool_records", "gauge", "Records that wait on disk for a collector."), one(func(s *exporters.Stats) uint64 { return uint64(max(0, s.SpoolRecords.Load())) })},
		{family("meter_spool_oldest_timestamp_seconds", "gauge", "When the oldest record that waits on disk ended, in seconds since 1970; 0 if none waits."), spoolOldest},
		{family("meter_spool_gaps_total", "counter", "Times that records were deleted from the spool or lost in it."), one(func(s *exporters.Stats) uint64 { return s.SpoolGaps.Load() })},
		{family("meter_export_up", "gauge", "1 if the exporter gets through: its file or socket is open or its collector connected, and its last attempt succeeded."), one(up)},
	}
}

// some leaves out exporters of which there is nothing to say.
func some(of func(*exporters.Stats) int64) func(*exporters.Stats, func(uint64, ...string)) {
	return func(s *exporters.Stats, emit func(uint64, ...string)) {
		if v := of(s); v > 0 {
			emit(uint64(v))
		}
	}
}

func spoolOldest(s *exporters.Stats, emit func(uint64, ...string)) {
	if s.SpoolLimit.Load() > 0 {
		emit(uint64(s.SpoolOldest.Load()) / 1e9)
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

func headOf(f *meter.Family) prometheus.Family {
	return prometheus.Family{Name: f.Name, Type: f.Type, Help: f.Help, Labels: f.Labels}
}

func histogramHead(f *meter.HistogramFamily) prometheus.Family {
	return prometheus.Family{Name: f.Name, Type: "histogram", Help: f.Help, Labels: f.Labels}
}

// reloadFamilies tell how the last reload went, or the start.
var reloadFamilies = [...]prometheus.Family{
	{Name: "meter_reload_success", Type: "gauge", Help: "1 if the configuration was read without a mistake when it was last read."},
	{Name: "meter_reload_timestamp_seconds", Type: "gauge", Help: "When the configuration was last read, in seconds since 1970."},
}

// newPage returns what writes /metrics.
func newPage(account func() (*meter.Account, []*exporters.Queue), last func() (succeeded bool, at time.Time)) func(io.Writer) error {
	process := prometheus.NewProcess()
	return func(w io.Writer) error {
		page := prometheus.NewPage()
		a, queues := account()
		for _, f := range meter.Families() {
			f.Collect(a, page.Add(headOf(&f)))
		}
		for _, f := range meter.HistogramFamilies() {
			add := page.AddHistogram(histogramHead(&f))
			f.Collect(a, func(h meter.Histogram, labels ...string) { add(h.Bounds, h.Counts, h.Sum, labels...) })
		}
		for _, f := range exporterFamilies() {
			emit := page.Add(f.Family)
			for _, q := range queues {
				f.values(q.Stats(), func(v uint64, labels ...string) {
					emit(v, append([]string{q.Name()}, labels...)...)
				})
			}
		}
		addReload(page, last)
		version, commit := buildVersion()
		page.Add(buildInfo)(1, version, commit, runtime.Version())
		if err := page.Write(w); err != nil {
			return err
		}
		return process.Write(w)
	}
}

func addReload(page *prometheus.Page, last func() (succeeded bool, at time.Time)) {
	succeeded, at := last()
	var one uint64
	if succeeded {
		one = 1
	}
	page.Add(reloadFamilies[0])(one)
	page.Add(reloadFamilies[1])(uint64(at.Unix()))
}
