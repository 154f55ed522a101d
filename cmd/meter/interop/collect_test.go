//go:build integration

package interop

import (
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"flowmeter/meter/lab"
)

// collector starts `meter collect`.
func collector(t *testing.T, format, biflow string) watcher {
	network := "udp"
	if strings.HasSuffix(format, "+tcp") {
		network = "tcp"
	}
	port := lab.FreePort(t, network)
	p := lab.Start(t, meter, "collect", network+"://"+lab.Local(port))
	lab.Eventually(t, "meter collect listens", func() bool { return strings.Contains(p.Log.String(), "collecting") })
	end := func() {
		if network == "udp" {
			p.Drained(port)
		}
		p.Signal(syscall.SIGTERM)
	}
	name := format + " " + biflow + " collect"
	return watcher{name, format + "://" + lab.Local(port), end, func(t *testing.T, trace string, truth []record) {
		if status := p.Wait(); status != 0 {
			t.Errorf("meter collect: exit status %d", status)
		}
		got := parseRecords(t, p.Out.String())
		if format == "netflow5" {
			got = merged(got)
		}
		checkCollected(t, name, trace, p.Log.String(), got, expected(format, biflow, truth))
	}}
}

// checkCollected compares, in their order, what came with what should come,
// field by field.
func checkCollected(t *testing.T, who, trace, log string, got, want []record) {
	t.Helper()
	for _, complaint := range []string{"malformed", "without a template", "redefined", "withdrawn", "wrong count", "outside", "refused", "level=ERROR"} {
		if strings.Contains(log, complaint) {
			t.Errorf("meter collect says: %s", log)
		}
	}
	if !strings.Contains(log, " 0 records lost, sequence went back 0 times") && !strings.Contains(log, " 0 messages lost, sequence went back 0 times") {
		t.Errorf("meter collect says: %s", log)
	}
	got = slices.DeleteFunc(got, func(r record) bool { return r["options"] != nil })
	logTotals(t, who, trace, accountOf(got), accountOf(want))
	if len(got) != len(want) {
		t.Fatalf("%d records came, want %d", len(got), len(want))
	}
	for i := range want {
		for _, name := range []string{"exporter", "version", "domain", "template", "exportTime"} {
			delete(got[i], name)
		}
		if !maps.Equal(got[i], want[i]) {
			t.Fatalf("record %d\ngot  %v\nwant %v", i, got[i], want[i])
		}
	}
}

// accountOf sums records under one key.
func accountOf(records []record) account {
	a := account{}
	for _, r := range records {
		f, b := r.forward(), r.reverse()
		b.packets += r.number("postPacketDeltaCount")
		b.octets += r.number("postOctetDeltaCount")
		a.add("all", sums{1, f.packets, f.octets, b.packets, b.octets})
	}
	return a
}
