package grafana

// overview is what went across the border of the home networks.
func overview() Dashboard {
	const (
		octets  = `sum by (traffic) (rate(meter_traffic_octets_total{instance=~"$instance", ruleset="$ruleset"}[$__rate_interval]))`
		packets = `sum by (traffic) (rate(meter_traffic_packets_total{instance=~"$instance", ruleset="$ruleset"}[$__rate_interval]))`
	)
	now := func(title, class string) Panel {
		return Panel{
			Title: title, Kind: Stat, Unit: "bps", Width: 6,
			Queries: []Query{{`sum(rate(meter_traffic_octets_total{instance=~"$instance", ruleset="$ruleset", traffic="` + class + `"}[$__rate_interval])) * 8`, ""}},
		}
	}
	return Dashboard{
		File: "overview.json", UID: "meter-overview", Title: "Meter: overview",
		Description: "Traffic in, out, within and through the home networks, as one rule set counts it.",
		Variables: []Variable{
			{Name: "instance", Label: "Meter", Of: "meter_build_info"},
			{Name: "ruleset", Label: "Rule set", Of: `meter_flows_live{instance=~"$instance"}`, One: true},
		},
		Rows: []Row{
			{"Now", []Panel{now("In", "in"), now("Out", "out"), now("Internal", "internal"), now("Transit", "transit")}},
			{"Traffic by home class", []Panel{
				{Title: "Bits per second", Kind: Stack, Unit: "bps", Queries: []Query{{octets + " * 8", "{{traffic}}"}},
					Help: "Of IP packets, headers included, by the way each packet was sent."},
				{Title: "Packets per second", Kind: Stack, Unit: "pps", Queries: []Query{{packets, "{{traffic}}"}}},
				{Title: "In and out", Unit: "bps", Help: "In above the line, out below it.", Queries: []Query{
					{`sum(rate(meter_traffic_octets_total{instance=~"$instance", ruleset="$ruleset", traffic="in"}[$__rate_interval])) * 8`, "in"},
					{`sum(rate(meter_traffic_octets_total{instance=~"$instance", ruleset="$ruleset", traffic="out"}[$__rate_interval])) * -8`, "out"},
				}},
				{Title: "Mean length of packets", Unit: "bytes", Queries: []Query{{octets + " / (" + packets + " > 0)", "{{traffic}}"}}},
			}},
			{"Flows", []Panel{
				{Title: "Live flows", Unit: "short", Queries: []Query{{`sum by (instance) (meter_flows_live{instance=~"$instance", ruleset="$ruleset"})`, "{{instance}}"}}},
				{Title: "Flows begun per second", Unit: "cps", Queries: []Query{{`sum by (instance) (rate(meter_flows_created_total{instance=~"$instance", ruleset="$ruleset"}[$__rate_interval]))`, "{{instance}}"}}},
				{Title: "Records by the reason of their end", Kind: Stack, Unit: "cps", Queries: []Query{{`sum by (reason) (rate(meter_flows_ended_total{instance=~"$instance", ruleset="$ruleset"}[$__rate_interval]))`, "{{reason}}"}}},
				{Title: "Packets by what the rules said", Kind: Stack, Unit: "pps", Queries: []Query{{`sum by (verdict) (rate(meter_verdict_packets_total{instance=~"$instance", ruleset="$ruleset"}[$__rate_interval]))`, "{{verdict}}"}}},
			}},
			{"Distributions, of flows whose rules measure them", []Panel{
				quantiles("Response times", "meter_flow_turnaround_seconds", "s", "From a packet to the next the other way: in reverse, how long the destination took."),
				quantiles("Times between packets", "meter_flow_inter_arrival_seconds", "s", ""),
				quantiles("Sizes of packets", "meter_flow_packet_size_octets", "bytes", ""),
				quantiles("Octets per second of a flow", "meter_flow_octets_per_second", "Bps", ""),
				quantiles("Packets per second of a flow", "meter_flow_packets_per_second", "pps", ""),
			}},
			{"Rules", []Panel{
				{Title: "Bits per second by the rule that decided", Unit: "bps", Queries: []Query{{byRule("meter_rule_octets_total") + " * 8)", "{{rule}}"}},
					Help: "The ten with most. Packets of long flows come at every active timeout."},
				{Title: "Packets per second by the rule that decided", Unit: "pps", Queries: []Query{{byRule("meter_rule_packets_total") + ")", "{{rule}}"}}},
				{Title: "Packets per second tried the other way round", Unit: "pps", Queries: []Query{{byRule("meter_rule_turned_packets_total") + ")", "{{rule}}"}},
					Help: "By the rule whose nomatch did so."},
			}},
		},
	}
}

// quantiles shows the middle and the last twentieth of a distribution.
func quantiles(title, family, unit, help string) Panel {
	of := func(quantile, name string) Query {
		return Query{"histogram_quantile(" + quantile + ", sum by (le, direction) (rate(" + family +
			`_bucket{instance=~"$instance", ruleset="$ruleset"}[$__rate_interval])))`, name + " {{direction}}"}
	}
	return Panel{Title: title, Unit: unit, Help: help, Queries: []Query{of("0.5", "half"), of("0.95", "95 of 100")}}
}

// byRule is the beginning of a query for the rules with most.
func byRule(metric string) string {
	return "topk(10, sum by (rule) (rate(" + metric + `{instance=~"$instance", ruleset="$ruleset"}[$__rate_interval]))`
}
