package text

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"flowmeter/meter/flow"
	"flowmeter/rules"
)

// cell is a column of the table.
type cell struct {
	head  string
	right bool // aligned
	spare int  // 0: always shown; else the highest is the first to go where room is short
	text  func(r *flow.Record) string
}

// filled is a column with its texts, one for each row.
type filled struct {
	cell
	texts []string
}

// tableCells returns the columns of the table, from left to right. One whose
// cells are all empty is left out.
func tableCells() []cell {
	named := map[string]*column{}
	for _, c := range columns(flow.ToMillis) {
		named[c.name] = &c
	}
	return []cell{
		{head: "Ruleset", spare: 4, text: named["ruleset"].text},
		{head: "Start", spare: 2, text: func(r *flow.Record) string { return stamp(r.Start, "15:04:05.000") }},
		{head: "Lasted", right: true, spare: 3, text: func(r *flow.Record) string { return short(time.Duration(r.FlowEnd() - r.Start)) }},
		{head: "Proto", text: proto},
		{head: "Source", text: source},
		{head: "Destination", text: destination},
		{head: "Saved", text: saved},
		{head: "Pkts→", right: true, text: func(r *flow.Record) string { return compact(r.Count[flow.Forward].TotalPackets) }},
		{head: "←Pkts", right: true, text: func(r *flow.Record) string { return compact(r.Count[flow.Reverse].TotalPackets) }},
		{head: "Oct→", right: true, text: func(r *flow.Record) string { return compact(r.Count[flow.Forward].TotalOctets) }},
		{head: "←Oct", right: true, text: func(r *flow.Record) string { return compact(r.Count[flow.Reverse].TotalOctets) }},
		{head: "Flags", spare: 6, text: flags},
		{head: "Class", spare: 5, text: named["flowClass"].text},
		{head: "Kind", spare: 1, text: named["flowKindName"].text},
		{head: "End", spare: 7, text: func(r *flow.Record) string { return r.EndReason.String() }},
	}
}

// text is the column's text form; empty where r lacks it.
func (c *column) text(r *flow.Record) string {
	if r.Has&c.needs != c.needs {
		return ""
	}
	return string(c.AppendText(nil, r, c.way))
}

// fill makes the texts of all columns, but of those that say nothing: empty
// ones, and the rule set where there is only one. Flows of several days show
// the day in place of the milliseconds.
func fill(cells []cell, recs []*flow.Record) []filled {
	var cols []filled
	for _, c := range cells {
		if c.head == "Start" && severalDays(recs) {
			c.text = func(r *flow.Record) string { return stamp(r.Start, "01-02 15:04:05") }
		}
		f := filled{cell: c}
		for _, r := range recs {
			f.texts = append(f.texts, c.text(r))
		}
		if f.says() {
			cols = append(cols, f)
		}
	}
	return cols
}

func (f *filled) says() bool {
	if f.head == "Ruleset" {
		return slices.ContainsFunc(f.texts, func(s string) bool { return s != f.texts[0] })
	}
	return slices.ContainsFunc(f.texts, func(s string) bool { return s != "" })
}

// leastImportant returns the column to leave out next, or -1.
func leastImportant(cols []filled) int {
	least := -1
	for i := range cols {
		if cols[i].spare > 0 && (least < 0 || cols[i].spare > cols[least].spare) {
			least = i
		}
	}
	return least
}

func stamp(ns int64, layout string) string { return time.Unix(0, ns).UTC().Format(layout) }

// span returns the days of the first and the last start.
func span(recs []*flow.Record) (first, last string) {
	lo, hi := recs[0].Start, recs[0].Start
	for _, r := range recs {
		lo, hi = min(lo, r.Start), max(hi, r.Start)
	}
	return stamp(lo, time.DateOnly), stamp(hi, time.DateOnly)
}

func severalDays(recs []*flow.Record) bool {
	first, last := span(recs)
	return first != last
}

// days says in the title when the flows began; their lines do not hold it all.
func days(recs []*flow.Record) string {
	if len(recs) == 0 {
		return ""
	}
	first, last := span(recs)
	if first == last {
		return ", " + first + " UTC"
	}
	return ", " + first + " to " + last + " UTC"
}

func proto(r *flow.Record) string {
	if r.Has&flow.HasProto == 0 {
		return ""
	}
	return protocol(r.Key.Proto)
}

func flags(r *flow.Record) string {
	if r.Has&flow.HasTCP == 0 {
		return ""
	}
	return tcpFlags(r.Count[0].TCPFlags | r.Count[1].TCPFlags)
}

func source(r *flow.Record) string {
	return endpoint(&r.Key.Src, r.Key.Saved&rules.SrcAddr != 0, r.Key.Saved&rules.SrcMAC != 0, r.Has&flow.HasSrcPort != 0)
}

func destination(r *flow.Record) string {
	return endpoint(&r.Key.Dst, r.Key.Saved&rules.DstAddr != 0, r.Key.Saved&rules.DstMAC != 0, r.Has&flow.HasDstPort != 0)
}

// endpoint writes address:port, [address]:port, prefix/length, a MAC address,
// or * for any, by what the rules saved.
func endpoint(e *rules.End, addr, mac, port bool) string {
	host := "*"
	switch {
	case addr:
		host = address(e, port)
	case mac:
		host = flow.AddressText(e.MAC[:])
	}
	if port {
		host += ":" + strconv.Itoa(int(e.Port))
	}
	if port && e.PortLen < 16 {
		host += "/" + strconv.Itoa(int(e.PortLen))
	}
	return host
}

func address(e *rules.End, port bool) string {
	a := netip.AddrFrom16(e.Addr).Unmap()
	host := a.String()
	if int(e.AddrLen) < a.BitLen() {
		host += "/" + strconv.Itoa(int(e.AddrLen))
	}
	if port && a.Is6() {
		return "[" + host + "]"
	}
	return host
}
