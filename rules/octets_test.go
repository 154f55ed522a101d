package rules

import (
	"testing"
	"time"

	"flowmeter/meter/packet"
)

// A list of vendors, in each of the spellings.
func TestVendors(t *testing.T) {
	rs := testSet(t, `
sets: {vendors: ["00:1b:21", "02:00:5e..02:00:60"]}
rulesets: [{orient: first, rules: [{if: "eth.src[0:3] in $vendors", do: count}, {do: ignore}]}]
`)
	for mac, want := range map[[6]byte]Verdict{
		{0, 0x1b, 0x21, 9, 9, 9}: Counted, {2, 0, 0x5f, 0, 0, 0}: Counted, {2, 0, 0x61, 0, 0, 0}: Ignored, {0, 0x1b, 0x20, 0xff, 0xff, 0xff}: Ignored,
	} {
		h := tcpPacket("10.1.2.3", 1, "10.1.2.4", 2, 0)
		h.Layers, h.SrcMAC = h.Layers|packet.HasMAC, mac
		if got := match(rs, h).Verdict; got != want {
			t.Errorf("%x: %v", mac, got)
		}
	}
}

// How many of a field's values must fit.
func TestQuantifiers(t *testing.T) {
	h := tcpPacket("10.1.2.3", 443, "10.1.2.4", 50000, 0)
	tests := map[string][2]bool{ // of a packet with ports, and of one without
		"tcp.port == 443": {true, false}, "tcp.port === 443": {false, false}, "tcp.port != 443": {false, false}, "tcp.port !== 443": {true, false},
		"any tcp.port != 443": {true, false}, "all tcp.port == 443": {false, false}, "all tcp.port > 100": {true, false}, "all tcp.port > 1000": {false, false},
		"tcp.port not in {443}": {false, true}, "!(tcp.port == 443)": {false, true}, "all tcp.port in {443, 50000}": {true, false},
		"tcp.port & 0xff00": {true, false}, "tcp.port & 0x0001 == 1": {true, false}, "all tcp.port & 1 == 1": {false, false},
		"ip.addr & 0.0.0.7 === 0.0.0.3": {false, false}, "ip.addr & 0.0.0.8 === 0.0.0.0": {true, true}, "ip.addr[3] > 03": {true, true},
		"ip.addr > 10.1.2.3": {true, true}, "all ip.addr >= 10.1.2.3": {true, true}, "ip.src < 10.0.0.0/8": {false, false}, "ip.src <= 10.0.0.0/8": {true, true},
	}
	for text, want := range tests {
		f, err := ParseFilter("test", text, DefaultNetworks(), nil)
		if err != nil {
			t.Error(err)
			continue
		}
		got := [2]bool{f.Match(h, nil), f.Match(icmpPacket("10.1.2.3", "10.1.2.4", 8), nil)}
		if got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	at := time.Date(2026, 11, 22, 23, 30, 1, 500e6, time.UTC) // a Sunday
	tests := map[string]bool{
		"time.of_day in {22:00..06:00}": true, "time.of_day in {06:00..22:00}": false, "time.of_day == 23:30:01": true, "time.of_day > 23:30": true,
		"time.weekday == 7": true, "time.hour == 23": true, `frame.time > "2026-11-22 23:30:01.4"`: true, `frame.time >= "2026-11-23"`: false,
		`frame.time < "2026-11-23T00:30:02+01:00"`: true, "frame.time_epoch == 1795390201.5": true, "frame.time_epoch in {1795390201..1795390202}": true,
	}
	h := tcpPacket("10.1.2.3", 443, "10.1.2.4", 50000, 0)
	h.Time = at.UnixNano()
	for text, want := range tests {
		f, err := ParseFilter("test", text, DefaultNetworks(), nil)
		if err != nil {
			t.Error(err)
		} else if f.Match(h, nil) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
}
