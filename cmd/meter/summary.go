package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"flowmeter/meter"
	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// printSummary prints the account of an input: where every packet went, the
// traffic by class and how flows ended.
func printSummary(w io.Writer, a *meter.InputAccount) {
	t := &a.Totals
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	defer tw.Flush()
	row := func(name string, packets, octets uint64) {
		fmt.Fprintf(tw, "%s\t%s\t%s\t\n", name, humanize.Comma(int64(packets)), humanize.Bytes(octets))
	}
	fmt.Fprintf(tw, "\tpackets\toctets\t\n")
	row("read", t.Read, t.Octets)
	optional := func(name string, packets, octets uint64) {
		if packets > 0 {
			row(name, packets, octets)
		}
	}
	optional("unsampled", t.Unsampled, t.UnsampledOctets)
	optional("filtered", t.Filtered, t.FilteredOctets)
	optional("own export traffic", t.Own, t.OwnOctets)
	for _, out := range []packet.Outcome{packet.Malformed, packet.Unsupported} {
		optional(out.String(), t.Outcomes[out], t.OutcomeOctets[out])
	}
	books := t.Books(a.RuleSets)
	for _, b := range books {
		if len(books) > 1 || b.Name != rules.DefaultName {
			fmt.Fprintf(tw, "%s:\t\n", b.Name)
		}
		printRuleSet(row, optional, b.Counts)
	}
	for _, b := range a.Earlier {
		fmt.Fprintf(tw, "%s, before a reload:\t\n", b.Name)
		printRuleSet(row, optional, b.Counts)
		b.Name += ", before a reload"
		books = append(books, b)
	}
	tw.Flush()
	printFlows(w, books)
	printBeside(w, t)
}

func printRuleSet(row, optional func(string, uint64, uint64), c *flow.Counts) {
	row("counted", c.Verdicts[rules.Counted], c.VerdictOctets[rules.Counted])
	for v := rules.Ignored; v < rules.NumVerdicts; v++ {
		optional(v.String(), c.Verdicts[v], c.VerdictOctets[v])
	}
	for class := range rules.NumClasses {
		optional("traffic "+class.String(), c.Traffic[class], c.TrafficOctets[class])
	}
}

// printFlows prints one line a rule set.
func printFlows(w io.Writer, books []meter.Book) {
	for _, b := range books {
		c := b.Counts
		fmt.Fprintf(w, "%s: %s", b.Name, plural(c.Created, "flow"))
		for r := flow.EndIdle; r < flow.NumEndReasons; r++ {
			if n := c.Ended[r]; n > 0 {
				fmt.Fprintf(w, ", %s %s", humanize.Comma(int64(n)), endings[r])
			}
		}
		if r := b.Reserves; r != nil && r.Steps != [flow.NumSteps]uint64{} {
			fmt.Fprintf(w, ", gave way: %s to its standby, %s to overflow, back %s", times(r.Steps[flow.OnStandby]), times(r.Steps[flow.Flooded]), times(r.Steps[flow.Normal]))
		}
		fmt.Fprintln(w)
	}
}

func times(n uint64) string { return plural(n, "time") }

// endings say how records ended.
var endings = [flow.NumEndReasons]string{
	flow.EndIdle: "ended idle", flow.EndActive: "pieces of long ones", flow.EndDetected: "ended by TCP",
	flow.EndForced: "cut off at the end", flow.EndResources: "ended for want of room",
}

// printBeside prints what is counted beside the balance, where there is any.
func printBeside(w io.Writer, t *meter.Totals) {
	if n := t.Outcomes[packet.Unsupported]; n > 0 {
		fmt.Fprintf(w, "%s of a link type that is not read: %d of the LINKTYPE_ registry\n", plural(n, "packet"), t.UnreadLink)
	}
	for _, line := range []struct {
		n    uint64
		what string
	}{
		{t.Outcomes[packet.NotIP], "packets without IP"},
		{t.Outcomes[packet.Truncated], "packets cut off by the capture within their IP header"},
		{t.ShortTransport, "packets cut off by the capture within their transport header"},
		{t.FragmentsFilled, "later fragments, counted in the flow of their first"},
		{t.FragmentsOrphans, "later fragments whose first was not seen, in flows without ports"},
		{t.FragmentsLost, "first fragments forgotten for want of room"},
		{t.OffloadFrames, "frames joined or cut by the network card, counted as the packets on the wire"},
		{t.ClockSteps, "times the clock was set back by more than a minute"},
	} {
		if line.n > 0 {
			fmt.Fprintf(w, "%s %s\n", humanize.Comma(int64(line.n)), line.what)
		}
	}
}

// plural writes a number of things: "1 flow", "2,000 flows".
func plural(n uint64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return humanize.Comma(int64(n)) + " " + thing
}
