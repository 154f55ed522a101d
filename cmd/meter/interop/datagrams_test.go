//go:build integration && linux

package interop

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/netsampler/goflow2/v2/decoders/netflow"

	"flowmeter/meter/lab"
)

// datagram is an IPFIX message on its way to a collector.
type datagram struct {
	to        string
	flows     []string // their sources, each of which comes once
	templates bool
	lost      bool
}

// captured reads the datagrams of a trace.
func captured(t *testing.T, trace string) (all []datagram) {
	t.Helper()
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	templates := netflow.CreateTemplateSystem()
	for {
		frame, _, err := r.ReadPacketData()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
		d := datagram{to: p.NetworkLayer().NetworkFlow().Dst().String()}
		var msg netflow.IPFIXPacket
		if err := netflow.DecodeMessageVersion(bytes.NewBuffer(p.TransportLayer().LayerPayload()), templates, nil, &msg); err != nil {
			t.Fatalf("goflow2: %v", err)
		}
		for _, set := range msg.FlowSets {
			d.take(set)
		}
		all = append(all, d)
	}
}

func (d *datagram) take(set any) {
	if _, is := set.(netflow.TemplateFlowSet); is {
		d.templates = true
	}
	data, _ := set.(netflow.DataFlowSet)
	for _, r := range data.Records {
		for _, f := range r.Values {
			octets, _ := f.Value.([]byte)
			if a, ok := netip.AddrFromSlice(octets); ok && f.Type == 8 && f.Pen == 0 {
				d.flows = append(d.flows, a.String())
			}
		}
	}
}

// mark tells which datagrams collectors lack. Each arrived once and whole, or
// not at all.
func mark(t *testing.T, sent []datagram, collectors ...*lab.Nfcapd) {
	t.Helper()
	arrived := map[string]int{}
	for _, n := range collectors {
		for line := range strings.Lines(n.Flows("%sa")) {
			arrived[strings.TrimSpace(line)]++
		}
	}
	for i := range sent {
		d, here := &sent[i], 0
		for _, flow := range d.flows {
			here += arrived[flow]
			delete(arrived, flow)
		}
		d.lost = here == 0 && len(d.flows) > 0
		if here > 0 && here != len(d.flows) {
			t.Errorf("datagram %d: %d flows arrived of %d", i, here, len(d.flows))
		}
	}
	if len(arrived) > 0 {
		t.Errorf("%d flows arrived that were not sent", len(arrived))
	}
}

// loss is a run of datagrams that did not arrive, and of the records in them.
type loss struct{ from, to, datagrams uint64 }

func losses(sent []datagram) (all []loss) {
	var records, empty uint64 // empty: without records, since the last lost one
	open := false
	for _, d := range sent {
		if len(d.flows) == 0 {
			empty++
			continue
		}
		if d.lost && !open {
			all, empty = append(all, loss{from: records}), 0
		}
		records += uint64(len(d.flows))
		if d.lost {
			l := &all[len(all)-1]
			l.to, l.datagrams, empty = records, l.datagrams+empty+1, 0
		}
		open = d.lost
	}
	return all
}

// toldAfter is how many records had been sent when templates were next, after so
// many records.
func toldAfter(sent []datagram, records uint64) (n uint64) {
	for _, d := range sent {
		if n >= records && d.templates {
			return n
		}
		n += uint64(len(d.flows))
	}
	return n
}

// sentTo is how many records were sent to an address.
func sentTo(sent []datagram, address string) (n uint64) {
	for _, d := range sent {
		if d.to == address {
			n += uint64(len(d.flows))
		}
	}
	return n
}
