package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"flowmeter/meter"
)

// printRules prints what each rule of each rule set decided.
func printRules(w io.Writer, reports []meter.RuleReport) {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	defer tw.Flush()
	for _, r := range reports {
		fmt.Fprintf(tw, "rules of %s\tdo\tpackets\toctets\tturned\t\n", r.RuleSet)
		for i := range r.Rules {
			printRule(tw, &r.Rules[i])
		}
	}
}

// printRule prints one rule; the end of the rules is shown where it decided.
func printRule(w io.Writer, c *meter.RuleCount) {
	at, what := "the end of the rules", ""
	if c.At.Line > 0 {
		at, what = c.At.String(), ifElse(c.If == "", "always", "if "+c.If)
	} else if c.Name != "end" {
		at = "cut by the kernel"
	}
	counts := fmt.Sprintf("%s\t%s\t%s", humanize.Comma(int64(c.Packets)), humanize.Bytes(c.Octets), humanize.Comma(int64(c.Turned)))
	if c.Packets == 0 && c.Turned == 0 {
		if c.At.Line == 0 {
			return
		}
		counts = "never hit\t\t"
	}
	fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", at, c.Do, counts, what)
}
