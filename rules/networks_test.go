package rules

import (
	"testing"

	"flowmeter/meter/conf"
)

func TestClass(t *testing.T) {
	own, err := ParseHome([]string{"203.0.113.0/24", " 2001:db8::/32", "9.9.9.9"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		nets     *Networks
		src, dst string
		want     Class
	}{
		{DefaultNetworks(), "10.0.0.1", "8.8.8.8", Out},
		{DefaultNetworks(), "8.8.8.8", "172.31.255.255", In},
		{DefaultNetworks(), "8.8.8.8", "172.32.0.0", Transit},
		{DefaultNetworks(), "192.168.0.1", "169.254.1.1", Internal},
		{DefaultNetworks(), "fe80::1", "fd12::1", Internal},
		{DefaultNetworks(), "2001:db8::1", "fe80::1", In},
		{DefaultNetworks(), "::ffff:10.0.0.1", "2001:db8::1", Transit}, // an IPv6 packet
		{DefaultNetworks(), "10.0.0.1", "224.0.0.251", Internal},
		{DefaultNetworks(), "8.8.8.8", "239.255.255.255", Transit},
		{DefaultNetworks(), "10.0.0.1", "255.255.255.255", Internal},
		{DefaultNetworks(), "fe80::1", "ff02::fb", Internal},
		{DefaultNetworks(), "2001:db8::1", "ff0e::1", Transit},
		{DefaultNetworks(), "10.0.0.1", "240.0.0.1", Out},
		{own, "10.0.0.1", "203.0.113.9", In},
		{own, "2001:db8::1", "10.0.0.1", Out},
		{own, "9.9.9.9", "9.9.9.8", Out},
	}
	for _, tt := range tests {
		h := ipPacket(tt.src, tt.dst, 17)
		if got := tt.nets.Class(h); got != tt.want {
			t.Errorf("%s to %s: %v, want %v", tt.src, tt.dst, got, tt.want)
		}
		if back := tt.nets.Class(reversed(h)); back != tt.want.Reverse() {
			t.Errorf("%s to %s, sent back: %v", tt.src, tt.dst, back)
		}
	}
	if got := own.Class(arpPacket()); got != NoClass {
		t.Errorf("ARP: %v", got)
	}
}

func TestParseHomeErrors(t *testing.T) {
	_, err := ParseHome([]string{"10.0.0.0/33", "10.0.0.0/8", "fe80::1%eth0"})
	const want = `home: "10.0.0.0/33" is no prefix (write address/length, several with commas: 192.168.0.0/16,fd00::/8)
home: "fe80::1%eth0" is no prefix (write address/length, several with commas: 192.168.0.0/16,fd00::/8)`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// A home from the command line outlives that of the file; other lists do not.
func TestHomeOfCommandLine(t *testing.T) {
	nets, err := ParseHome([]string{"8.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	v, c := conf.Parse("f", []byte(`
networks: {home: [1.0.0.0/8], dns: [9.9.9.9]}
rulesets: [{rules: [{if: src.addr in $home && dst.addr in $dns, do: count}]}]`))
	sets, nets := ParseFile(v, nets)
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	if m := match(sets[0], udpPacket("8.8.8.8", 1, "9.9.9.9", 53)); m.Verdict != Counted || m.Class != Out {
		t.Errorf("%+v", m)
	}
	if got := nets.Home(); len(got) != 1 || got[0].String() != "8.0.0.0/8" {
		t.Errorf("home is %v", got)
	}
}
