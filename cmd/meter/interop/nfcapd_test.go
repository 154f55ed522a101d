//go:build integration

package interop

import (
	"slices"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/lab"
)

// nfcapd starts nfdump's collector.
func nfcapd(t *testing.T, format, biflow string) watcher {
	return watch(t, "nfcapd", func() watcher {
		n := lab.StartNfcapd(t, "", lab.Local(lab.FreePort(t, "udp")))
		name := format + " " + biflow + " nfcapd"
		return watcher{name, format + "://" + lab.Local(n.Port), n.Stop, func(t *testing.T, trace string, truth []record) {
			n.Check()
			text := n.Flows("%ts %te %sa %da %sp %dp %pr %flg %ipkt %ibyt %opkt %obyt")
			compare(t, name, trace, nfdumpAccount(t, text), forNfdump(format, biflow, truth))
		}}
	})
}

// nfdumpAccount reads what nfdump prints.
func nfdumpAccount(t *testing.T, text string) account {
	t.Helper()
	a := account{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 14 {
			t.Fatalf("nfdump: %s", line)
		}
		w := way{src: address(t, f[4]), dst: address(t, f[5]), proto: number(t, f[8])}
		key := w.key(number(t, f[6]), nfdumpPort(t, f[7]), f[0]+" "+f[1], f[2]+" "+f[3], nfdumpFlags(f[9]))
		a.add(key, sums{1, number(t, f[10]), number(t, f[11]), number(t, f[12]), number(t, f[13])})
	}
	return a
}

// nfdumpPort reads a port, or type and code of ICMP as 8.0.
func nfdumpPort(t *testing.T, text string) uint64 {
	t.Helper()
	kind, code, isICMP := strings.Cut(text, ".")
	if !isICMP {
		return number(t, text)
	}
	return number(t, kind)<<8 | number(t, code)
}

// nfdumpFlags reads TCP flags as ...AP.SF.
func nfdumpFlags(text string) (flags uint64) {
	for i, c := range text {
		if c != '.' {
			flags |= 0x80 >> i
		}
	}
	return flags
}

// forNfdump is what nfdump should say of the records.
func forNfdump(format, biflow string, truth []record) account {
	a := account{}
	add := func(w, back way) {
		port := w.dstPort
		if w.isICMP {
			port = w.icmp
		}
		key := w.key(w.srcPort, port, stamp(w.start), stamp(w.end), w.flags&0xff)
		a.add(key, sums{1, w.packets, w.octets, back.packets, back.octets})
	}
	for _, r := range truth {
		switch {
		case biflow == "split":
			for _, w := range r.ways() {
				if format != "netflow5" || w.src.Is4() {
					add(w, way{})
				}
			}
		case format == "netflow9": // one pair of times for both directions
			w, back := r.forward(), r.reverse()
			if back.packets > 0 {
				w.start = slices.MinFunc([]time.Time{w.start, back.start}, time.Time.Compare)
				w.end = slices.MaxFunc([]time.Time{w.end, back.end}, time.Time.Compare)
			}
			add(w, back)
		default:
			w, back := r.forward(), r.reverse()
			if w.packets == 0 { // there are no forward ones in the template
				w.flags = back.flags
				w.icmp = back.icmp
			}
			add(w, back)
		}
	}
	return a
}
