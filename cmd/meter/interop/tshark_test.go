//go:build integration

package interop

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/lab"
)

// dissect has tshark's cflow dissector read a trace of messages to port 4739,
// or an IPFIX file, and returns what it found and in how many messages.
func dissect(t *testing.T, path, format, biflow string) (account, int) {
	t.Helper()
	text := lab.Output(t, "tshark", "-r", path, "-V", "-d", "udp.port==4739,cflow")
	for _, bad := range []string{"Malformed", "Expert Info (Warning", "Expert Info (Error", "Unexpected"} {
		if at := strings.Index(text, bad); at >= 0 {
			t.Errorf("tshark says: …%s", text[max(0, at-400):min(len(text), at+200)])
		}
	}
	d := dissection{t: t, account: account{}, times: format != "ipfix" || biflow == "split"}
	for line := range strings.Lines(text) {
		d.line(strings.TrimRight(line, "\n"))
	}
	d.finish()
	return d.account, d.messages
}

// dissection reads tshark's text line by line.
type dissection struct {
	t        *testing.T
	account  account
	messages int
	times    bool
	boot     time.Time // of v5 and v9
	uptime   time.Duration
	record   map[string]string // of the one that is being read
}

var (
	recordHead  = regexp.MustCompile(`^ +(Flow \d+|pdu \d+/\d+)$`)
	recordOver  = regexp.MustCompile(`^(Frame \d+| +(Flow)?Set \d+)`)
	recordField = regexp.MustCompile(`^ +([A-Z][A-Za-z ]+): (.*)$`)
)

func (d *dissection) line(line string) {
	switch {
	case line == "Cisco NetFlow/IPFIX":
		d.messages++
	case recordHead.MatchString(line):
		d.finish()
		d.record = map[string]string{}
	case recordOver.MatchString(line):
		d.finish()
	}
	m := recordField.FindStringSubmatch(line)
	if m == nil {
		return
	}
	name := m[1]
	value, comment, _ := strings.Cut(m[2], " (")
	switch {
	case strings.HasPrefix(comment, "Reverse"):
		name = "Reverse " + name
	case name == "Protocol": // name (number)
		value = strings.Trim(m[2][strings.LastIndexByte(m[2], ' ')+1:], "()")
	}
	switch {
	case d.record != nil:
		d.record[name] = value
	case name == "SysUptime":
		d.uptime = d.duration(value)
	case name == "CurrentSecs":
		d.boot = time.Unix(int64(number(d.t, value)), 0).Add(-d.uptime)
	}
}

// finish adds the record that was read, unless it is an option.
func (d *dissection) finish() {
	r := d.record
	d.record = nil
	if r["SrcAddr"] == "" {
		return
	}
	w := way{src: address(d.t, r["SrcAddr"]), dst: address(d.t, r["DstAddr"]), proto: number(d.t, r["Protocol"])}
	flags, _, _ := strings.Cut(r["TCP Flags"], ",")
	bits, _ := strconv.ParseUint(flags, 0, 16)
	key := w.key(d.count(r["SrcPort"]), d.count(r["DstPort"]), d.time(r["StartTime"]), d.time(r["EndTime"]), bits)
	d.account.add(key, sums{1, d.count(r["Packets"]), d.count(r["Octets"]),
		d.count(r["Reverse Packets"]) + d.count(r["Post Packets"]), d.count(r["Reverse Octets"]) + d.count(r["Post Octets"])})
}

// time returns a time as it is compared.
func (d *dissection) time(text string) string {
	if !d.times {
		return ""
	}
	if strings.HasSuffix(text, "seconds") {
		return stamp(d.boot.Add(d.duration(text)))
	}
	at, err := time.Parse("Jan _2, 2006 15:04:05.000000000 MST", text)
	if err != nil {
		d.t.Fatal(err)
	}
	return stamp(at)
}

// duration reads a number of seconds.
func (d *dissection) duration(text string) time.Duration {
	s, err := time.ParseDuration(strings.TrimSuffix(text, " seconds") + "s")
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// count reads a number that may be missing.
func (d *dissection) count(text string) uint64 {
	if text == "" {
		return 0
	}
	return number(d.t, text)
}

// forTshark is what tshark should say of the records. Of a record with two
// starts it mixes up the times, so that these are not compared.
func forTshark(format, biflow string, truth []record) account {
	a := account{}
	for _, r := range expected(format, biflow, truth) {
		w, back := r.forward(), r.reverse()
		start, end := stamp(w.start), stamp(w.end)
		if format == "ipfix" && biflow == "pair" {
			start, end = "", ""
		}
		a.add(w.key(w.srcPort, w.dstPort, start, end, w.flags), sums{1, w.packets, w.octets,
			back.packets + r.number("postPacketDeltaCount"), back.octets + r.number("postOctetDeltaCount")})
	}
	return a
}
