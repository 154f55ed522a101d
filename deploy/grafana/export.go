package grafana

import "github.com/grafana/grafana-foundation-sdk/go/cog"

// export is what became of the records.
func export() Dashboard {
	const of = `{instance=~"$instance", exporter=~"$exporter"}`
	rate := func(counter, by string) string {
		return "sum by (" + by + ") (rate(" + counter + of + "[$__rate_interval]))"
	}
	const each = "{{instance}} {{exporter}}"
	return Dashboard{
		File: "exporters.json", UID: "meter-exporters", Title: "Meter: exporters",
		Description: "Records on their way to collectors and files, those that wait and those that were lost.",
		Variables: []Variable{
			{Name: "instance", Label: "Meter", Of: "meter_build_info"},
			{Name: "exporter", Label: "Exporter", Of: `meter_export_up{instance=~"$instance"}`},
		},
		Rows: []Row{
			{"Export", []Panel{
				{Title: "Connected", Kind: State, Queries: []Query{{"meter_export_up" + of, each}}, Texts: []Text{{"0", "down", "red"}, {"1", "up", "green"}}},
				{Title: "Records", Unit: "cps", Queries: []Query{{rate("meter_export_records_total", "instance, exporter"), each}}},
				{Title: "Bits", Unit: "bps", Queries: []Query{{rate("meter_export_octets_total", "instance, exporter") + " * 8", each}}},
				{Title: "Messages", Unit: "cps", Queries: []Query{{rate("meter_export_messages_total", "instance, exporter"), each}}},
			}},
			{"Waiting and lost", []Panel{
				{Title: "Queue", Unit: "short", Help: "Records in memory.", Queries: []Query{{"meter_export_queue_records" + of, each}}},
				{Title: "Lost or left out, by reason", Unit: "cps", Queries: []Query{{rate("meter_export_dropped_records_total", "instance, exporter, reason"), each + " {{reason}}"}},
					Help: "ipv6 and not_ip are what the format has no room for; all else is lost."},
				{Title: "Connections that broke", Unit: "short", Queries: []Query{{"sum by (instance, exporter) (increase(meter_export_breaks_total" + of + "[$__rate_interval]))", each}}},
				{Title: "Given to another collector", Unit: "cps", Help: "Records of a group that others got, because this collector was away.",
					Queries: []Query{{rate("meter_export_rerouted_records_total", "instance, exporter"), each}}},
				{Title: "Without all distributions", Unit: "cps", Help: "Records of measured flows, for whose distributions no message has room.",
					Queries: []Query{{rate("meter_export_trimmed_records_total", "instance, exporter"), each}}},
				{Title: "Sent once more", Unit: "cps", Help: "After a connection broke. Flow id and piece tell a collector what it has already.",
					Queries: []Query{{rate("meter_export_resent_records_total", "instance, exporter"), each}}},
			}},
			{"Spool", []Panel{
				{Title: "Spool in use", Unit: "percentunit", BadAbove: cog.ToPtr(0.8), Queries: []Query{{"meter_spool_bytes" + of + " / meter_spool_limit_bytes" + of, each}}},
				{Title: "Spool", Unit: "bytes", Queries: []Query{{"meter_spool_bytes" + of, each}, {"meter_spool_limit_bytes" + of, "limit " + each}}},
				{Title: "Records in the spool", Unit: "short", Queries: []Query{{"meter_spool_records" + of, each}}},
				{Title: "Gaps in the spool", Unit: "short", Help: "Times that records were deleted from the spool, or lost in it.",
					Queries: []Query{{"sum by (instance, exporter) (increase(meter_spool_gaps_total" + of + "[$__rate_interval]))", each}}},
				{Title: "Age of the oldest record", Unit: "s", BadAbove: cog.ToPtr(3600.0),
					Queries: []Query{{"(time() - meter_spool_oldest_timestamp_seconds" + of + ") * (meter_spool_records" + of + " > bool 0)", each}}},
			}},
		},
	}
}
