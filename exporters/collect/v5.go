package collect

import (
	"bytes"
	"encoding/binary"

	"github.com/cloudflare/goflow/v3/decoders/netflowlegacy"

	"flowmeter/meter/flow"
)

const (
	v5Header = 24
	v5Record = 48
)

// v5 decodes a NetFlow v5 message with goflow. That fills up a short message
// with zeros, so the length is checked first.
func (d *Decoder) v5(peer string, msg []byte) ([]Record, error) {
	if len(msg) < v5Header {
		return nil, malformed(len(msg), "v5 header of %d octets is cut", v5Header)
	}
	if count := int(binary.BigEndian.Uint16(msg[2:])); len(msg) != v5Header+count*v5Record {
		return nil, malformed(2, "%d octets hold no %d records", len(msg), count)
	}
	decoded, err := netflowlegacy.DecodeMessage(bytes.NewBuffer(msg))
	if err != nil {
		return nil, malformed(0, "%v", err)
	}
	p := decoded.(netflowlegacy.PacketNetFlowV5)
	domain := uint32(p.EngineType)<<8 | uint32(p.EngineId)
	s := d.session(peer, 5, domain)
	if s == nil {
		return nil, nil
	}
	now := int64(p.UnixSecs)*1e9 + int64(p.UnixNSecs)
	clock := uptimeClock{now: now, uptime: p.SysUptime}
	recs := make([]Record, len(p.Records))
	for i := range p.Records {
		recs[i] = Record{Exporter: peer, Version: 5, Domain: domain, ExportTime: now, Fields: v5Fields(&p.Records[i], clock)}
	}
	d.account(s, 5, p.FlowSequence, uint32(len(recs)), recs)
	return recs, nil
}

func v5Fields(r *netflowlegacy.RecordsNetFlowV5, clock uptimeClock) []Field {
	return []Field{
		{"flowStartMilliseconds", clock.text(r.First)},
		{"flowEndMilliseconds", clock.text(r.Last)},
		{"protocolIdentifier", uint64(r.Proto)},
		{"sourceIPv4Address", ipv4(r.SrcAddr)},
		{"destinationIPv4Address", ipv4(r.DstAddr)},
		{"sourceTransportPort", uint64(r.SrcPort)},
		{"destinationTransportPort", uint64(r.DstPort)},
		{"octetDeltaCount", uint64(r.DOctets)},
		{"packetDeltaCount", uint64(r.DPkts)},
		{"tcpControlBits", uint64(r.TCPFlags)},
		{"ipClassOfService", uint64(r.Tos)},
		{"ingressInterface", uint64(r.Input)},
		{"egressInterface", uint64(r.Output)},
		{"ipNextHopIPv4Address", ipv4(r.NextHop)},
		{"bgpSourceAsNumber", uint64(r.SrcAS)},
		{"bgpDestinationAsNumber", uint64(r.DstAS)},
		{"sourceIPv4PrefixLength", uint64(r.SrcMask)},
		{"destinationIPv4PrefixLength", uint64(r.DstMask)},
	}
}

func ipv4(v uint32) string {
	return flow.AddressText(binary.BigEndian.AppendUint32(nil, v))
}

// uptimeClock turns times of v5 and v9, in ms since the exporter started, into
// absolute ones.
type uptimeClock struct {
	now    int64  // header's time of day, ns since 1970
	uptime uint32 // header's time since the start, ms
}

// ahead is how far after its header's time a flow may lie, in ms: exporters
// have no reason for it but clocks that do not agree.
const ahead = 60 * 60 * 1000

// text writes the time, which lies up to an hour after the header's or else
// before it: the 32 bits of uptime begin anew every 49.7 days.
func (c uptimeClock) text(uptime uint32) string {
	ms := -int64(c.uptime - uptime)
	if after := uptime - c.uptime; after <= ahead {
		ms = int64(after)
	}
	return timeString(c.now+ms*1e6, flow.ToMillis)
}
