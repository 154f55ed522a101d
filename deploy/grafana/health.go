package grafana

import "github.com/grafana/grafana-foundation-sdk/go/cog"

// selected are the series of the meters and inputs that are chosen.
const selected = `{instance=~"$instance", input=~"$input"}`

// perSecond is the rate of a counter of the inputs, by some labels.
func perSecond(counter, by string) string {
	return "sum by (" + by + ") (rate(" + counter + selected + "[$__rate_interval]))"
}

// health is whether the meter keeps up, and what it could not do.
func health() Dashboard {
	return Dashboard{
		File: "health.json", UID: "meter-health", Title: "Meter: health",
		Description: "Whether the meter keeps up with its interfaces, and what became of every packet.",
		Variables: []Variable{
			{Name: "instance", Label: "Meter", Of: "meter_build_info"},
			{Name: "input", Label: "Input", Of: `meter_packets_read_total{instance=~"$instance"}`},
		},
		Rows: []Row{{"Now", nowPanels()}, {"Capture", capturePanels()}, {"Packets", packetPanels()}, {"Flow tables", tablePanels()}},
	}
}

func nowPanels() []Panel {
	onlyMeter := `{instance=~"$instance"}`
	return []Panel{
		{Title: "Answers", Kind: Stat, Width: 4, Queries: []Query{{`up * on (job, instance) group by (job, instance) (meter_build_info` + onlyMeter + `)`, "{{instance}}"}},
			Texts: []Text{{"0", "no", "red"}, {"1", "yes", "green"}}},
		{Title: "Version", Kind: Stat, Width: 4, Queries: []Query{{"meter_build_info" + onlyMeter, "{{version}}"}}, Texts: []Text{{"1", "runs", "green"}},
			Help: "More than one means that meters of different versions run."},
		{Title: "Open balance", Kind: Stat, Unit: "short", Width: 4, BadAbove: cog.ToPtr(1.0), Queries: []Query{{"meter_balance_open_packets" + onlyMeter, "{{instance}}"}},
			Help: "Packets without an outcome, or with more than one. It must be 0."},
		{Title: "Dropped, 5 minutes", Kind: Stat, Unit: "short", Width: 4, BadAbove: cog.ToPtr(1.0), Queries: []Query{{"sum by (instance) (increase(meter_capture_drops_total" + selected + "[5m]))", "{{instance}}"}}},
		{Title: "Last reload", Kind: Stat, Width: 4, Queries: []Query{{"meter_reload_success" + onlyMeter, "{{instance}}"}},
			Texts: []Text{{"0", "failed", "red"}, {"1", "taken", "green"}}},
		{Title: "Age of the configuration", Kind: Stat, Unit: "s", Width: 4, Queries: []Query{{"time() - meter_reload_timestamp_seconds" + onlyMeter, "{{instance}}"}}},
	}
}

func capturePanels() []Panel {
	return []Panel{
		{Title: "Packets read", Unit: "pps", Queries: []Query{{perSecond("meter_packets_read_total", "instance, input"), "{{instance}} {{input}}"}}},
		{Title: "Bits read", Unit: "bps", Help: "Of whole frames on the wire.", Queries: []Query{{perSecond("meter_octets_read_total", "instance, input") + " * 8", "{{instance}} {{input}}"}}},
		{Title: "Packets by interface", Unit: "pps", Queries: []Query{{perSecond("meter_capture_packets_total", "instance, interface"), "{{instance}} {{interface}}"}}},
		{Title: "Dropped by the kernel", Unit: "pps", Help: "They found no room in the ring, and are in no flow.", Queries: []Query{{perSecond("meter_capture_drops_total", "instance, interface"), "{{instance}} {{interface}}"}}},
		{Title: "Times the ring was full", Unit: "short", Queries: []Query{{"sum by (instance, interface) (increase(meter_capture_freezes_total" + selected + "[$__rate_interval]))", "{{instance}} {{interface}}"}}},
		{Title: "Interfaces", Kind: State, Queries: []Query{{"meter_interface_up" + selected, "{{instance}} {{interface}}"}},
			Texts: []Text{{"0", "down", "red"}, {"1", "up", "green"}}},
		{Title: "Age of the workers' last round", Unit: "s", BadAbove: cog.ToPtr(30.0), Queries: []Query{{"time() - meter_worker_progress_timestamp_seconds" + selected, "{{instance}} {{input}} {{worker}}"}}},
		{Title: "Frames of several packets (GRO, TSO)", Unit: "pps", Queries: []Query{
			{perSecond("meter_offload_frames_total", "instance, input"), "frames {{instance}} {{input}}"},
			{perSecond("meter_offload_packets_total", "instance, input"), "packets {{instance}} {{input}}"},
		}},
		{Title: "Clock set back", Unit: "short", Queries: []Query{{"sum by (instance, input) (increase(meter_clock_steps_total" + selected + "[$__rate_interval]))", "{{instance}} {{input}}"}}},
	}
}

func packetPanels() []Panel {
	return []Panel{
		{Title: "By outcome of decoding", Unit: "pps", Queries: []Query{{perSecond("meter_decode_packets_total", "outcome"), "{{outcome}}"}}},
		{Title: "Left out before decoding", Unit: "pps", Queries: []Query{
			{perSecond("meter_filtered_packets_total", "instance, input"), "filter {{instance}} {{input}}"},
			{perSecond("meter_self_packets_total", "instance, input"), "own export {{instance}} {{input}}"},
			{perSecond("meter_unsampled_packets_total", "instance, input"), "not sampled {{instance}} {{input}}"},
		}},
		{Title: "Cut transport headers", Unit: "pps", Queries: []Query{{perSecond("meter_short_transport_packets_total", "instance, input"), "{{instance}} {{input}}"}}},
		{Title: "Fragments", Unit: "pps", Queries: []Query{{perSecond("meter_fragments_total", "fate"), "{{fate}}"}}},
	}
}

func tablePanels() []Panel {
	const of = `{instance=~"$instance"}`
	return []Panel{
		{Title: "Table in use", Unit: "percentunit", BadAbove: cog.ToPtr(0.8), Queries: []Query{{"meter_flows_live" + of + " / meter_flows_max" + of, "{{instance}} {{ruleset}}"}}},
		{Title: "Flows", Unit: "short", Queries: []Query{
			{"meter_flows_live" + of, "live {{instance}} {{ruleset}}"},
			{"meter_flows_max" + of, "most {{instance}} {{ruleset}}"},
		}},
		{Title: "Overload", Kind: State, Queries: []Query{{"meter_overload_state" + of, "{{instance}} {{ruleset}}"}},
			Texts: []Text{{"0", "normal", "green"}, {"1", "standby", "orange"}, {"2", "flood", "red"}}},
		{Title: "Steps of overload", Unit: "short", Queries: []Query{{"sum by (instance, ruleset, to) (increase(meter_overload_steps_total" + of + "[$__rate_interval]))", "{{instance}} {{ruleset}} to {{to}}"}}},
		{Title: "Flows begun", Unit: "cps", Queries: []Query{{"sum by (instance, ruleset) (rate(meter_flows_created_total" + of + "[$__rate_interval]))", "{{instance}} {{ruleset}}"}}},
		{Title: "Flows ended to make room", Unit: "cps", Queries: []Query{{`sum by (instance, ruleset) (rate(meter_flows_ended_total{instance=~"$instance", reason="resources"}[$__rate_interval]))`, "{{instance}} {{ruleset}}"}}},
	}
}
