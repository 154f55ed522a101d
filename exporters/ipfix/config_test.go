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

func TestParseSeveralSecured(t *testing.T) {
	v, errs := conf.Parse("c.yaml", []byte(`
addresses: ["one:4740", "[2001:db8::1]:4740"]
mode: balance
transport: tls
tls: {cert: c.pem, key: k.pem, ca: a.pem, server_name: collector.example}
spool: {dir: /var/spool/meter, size: 64MiB, age: 2h, rate: 5000}
`))
	c := ParseConfig(v)
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	if len(c.Collectors()) != 2 || c.Mode != exporters.Balance || c.Transport != TLS ||
		c.TLS != (exporters.TLS{Cert: "c.pem", Key: "k.pem", CA: "a.pem", ServerName: "collector.example"}) {
		t.Errorf("read as %+v", c)
	}
	if s := c.Spool; s.Dir != "/var/spool/meter" || s.Size != 64<<20 || s.Age != 2*time.Hour || s.Rate != 5000 {
		t.Errorf("spool read as %+v", s)
	}
	own := c.One(c.Collectors()[1])
	if err := own.CheckCollectors(); err != nil || own.Address != "[2001:db8::1]:4740" {
		t.Error(own, err)
	}
	if dir := c.Spool.Sub(own.Address).Dir; dir != "/var/spool/meter/2001_db8__1_4740" {
		t.Error(dir)
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
		{"{address: 'a:1', mode: failover}", "is for several collectors"},
		{"{address: 'a:1', addresses: ['b:1']}", "write one of the two"},
		{"{addresses: ['a:1', 'a:1']}", "stands twice"},
		{"{addresses: ['a:1', 'b']}", "write host:port"},
		{"{address: 'a:1', tls: {cert: a, key: b}}", "tls is for transport: tls"},
		{"{address: 'a:1', transport: tls, tls: {cert: a}}", "cert and key go together"},
		{"{address: 'a:1', spool: {dir: /x}}", "a spool is for transport: tcp and tls"},
		{"{address: 'a:1', transport: tcp, spool: {size: 1GiB}}", "no dir"},
		{"{address: 'a:1', transport: tcp, spool: {dir: /x, size: 1GB}}", "expected a size"},
		{"{address: 'a:1', transport: tcp, spool: {dir: /x, size: 100KiB}}", "at least 1MiB"},
		{"{address: 'a:1', transport: tcp, spool: {dir: /x, size: 99999999TiB}}", "out of range"},
		{"{address: 'a:1', transport: tcp, spool: {dir: /x, age: 1ms}}", "out of range"},
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
