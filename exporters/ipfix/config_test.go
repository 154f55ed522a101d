package ipfix

import (
	"strings"
	"testing"
	"time"

	"flowmeter/exporters"
	"flowmeter/meter/conf"
	"flowmeter/meter/flow"
)

func TestParseConfig(t *testing.T) {
	v, errs := conf.Parse("c.yaml", []byte(`
address: "collector:4739"
transport: tcp
biflow: split
precision: microseconds
fields: [sourceIPv4Address, octetDeltaCount]
enterprise: 4242
private: off
rate: 1000
max_message: 1200
template_refresh: {time: 60s, messages: 100}
queue: {records: 5000}
give_up: 20s
resend_overlap: 65536
`))
	c := ParseConfig(v)
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	if c.Address != "collector:4739" || c.Transport != TCP || c.Biflow != exporters.Split || c.Precision != flow.ToMicros ||
		len(c.Fields) != 2 || c.Enterprise != 4242 || c.Private || c.Rate != 1000 || c.MaxMessage != 1200 ||
		c.Refresh != (exporters.Refresh{Time: time.Minute, Messages: 100}) || c.Queue.Records != 5000 ||
		c.GiveUp != 20*time.Second || c.Overlap != 65536 {
		t.Errorf("read as %+v", c)
	}
}

func TestParseConfigErrors(t *testing.T) {
	for _, tc := range []struct{ yaml, want string }{
		{"transport: udp", `1:1: address ""`},
		{"address: collector", `address "collector": write host:port`},
		{"address: 'a:99999'", "the port is a number"},
		{"{address: 'a:1', transport: sctp}", `unknown value "sctp"`},
		{"{address: 'a:1', adress: b}", "did you mean address?"},
		{"{address: 'a:1', fields: [octetDeltaCont]}", "did you mean octetDeltaCount?"},
		{"{address: 'a:1', fields: [ruleset]}", "text only"},
		{"{address: 'a:1', fields: [flowEndReason, flowEndReason]}", "stands twice"},
		{"{address: 'a:1', path_mtu: 1500}", "one of: unknown"},
		{"{address: 'a:1', max_message: 100}", "out of range"},
		{"{address: 'a:1', checksum: true}", "for files only"},
		{"{address: 'a:1', enterprise: 29305}", "is taken"},
	} {
		v, errs := conf.Parse("c.yaml", []byte(tc.yaml))
		ParseConfig(v)
		if err := errs.Err(); err == nil || !strings.Contains(err.Error(), tc.want) || len(errs.Errors) != 1 {
			t.Errorf("%s: %v\nwant %q", tc.yaml, err, tc.want)
		}
	}
}

func TestPathMTU(t *testing.T) {
	v, errs := conf.Parse("c.yaml", []byte("{address: 'a:1', path_mtu: unknown}"))
	if c := ParseConfig(v); errs.Err() != nil || c.MaxMessage != 512 {
		t.Errorf("%v, message of %d", errs.Err(), c.MaxMessage)
	}
}
