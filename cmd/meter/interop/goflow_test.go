//go:build integration

package interop

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/netsampler/goflow2/v2/decoders/netflow"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"
)

// fieldNames are the fields that are compared, by their numbers in IPFIX.
var fieldNames = map[uint16]string{
	1: "octetDeltaCount", 2: "packetDeltaCount", 4: "protocolIdentifier", 6: "tcpControlBits",
	7: "sourceTransportPort", 11: "destinationTransportPort", 8: "sourceIPv4Address", 12: "destinationIPv4Address",
	27: "sourceIPv6Address", 28: "destinationIPv6Address", 32: "icmpTypeCodeIPv4", 139: "icmpTypeCodeIPv6",
	152: "flowStartMilliseconds", 153: "flowEndMilliseconds",
}

// goflow decodes messages with goflow2's decoders.
type goflow struct {
	t         *testing.T
	templates netflow.NetFlowTemplateSystem
	account   account
}

// goflowAccount decodes all messages of a run.
func goflowAccount(t *testing.T, messages [][]byte) account {
	t.Helper()
	g := goflow{t, netflow.CreateTemplateSystem(), account{}}
	for _, msg := range messages {
		switch binary.BigEndian.Uint16(msg) {
		case 5:
			g.v5(msg)
		case 9:
			g.v9(msg)
		default:
			g.ipfix(msg)
		}
	}
	return g.account
}

func (g *goflow) ipfix(msg []byte) {
	var p netflow.IPFIXPacket
	if err := netflow.DecodeMessageVersion(bytes.NewBuffer(msg), g.templates, nil, &p); err != nil {
		g.t.Fatalf("goflow2: %v", err)
	}
	g.sets(p.FlowSets, nil)
}

func (g *goflow) v9(msg []byte) {
	var p netflow.NFv9Packet
	if err := netflow.DecodeMessageVersion(bytes.NewBuffer(msg), g.templates, &p, nil); err != nil {
		g.t.Fatalf("goflow2: %v", err)
	}
	boot := int64(p.UnixSeconds)*1000 - int64(p.SystemUptime)
	g.sets(p.FlowSets, &boot)
}

// sets adds the data records. Boot is what v9 counts times from, in ms since
// 1970; nil in IPFIX.
func (g *goflow) sets(sets []any, boot *int64) {
	for _, s := range sets {
		data, isData := s.(netflow.DataFlowSet)
		if !isData {
			continue
		}
		for _, r := range data.Records {
			values := map[string]string{}
			for _, f := range r.Values {
				octets, _ := f.Value.([]byte)
				if name, text := named(f.Type, f.Pen, octets, boot); name != "" {
					values[name] = text
				}
			}
			addFields(g.t, g.account, values)
		}
	}
}

// named returns the name and the text of a field, no name if it is not
// compared.
func named(id uint16, pen uint32, octets []byte, boot *int64) (name, text string) {
	var n uint64
	for _, o := range octets {
		n = n<<8 | uint64(o)
	}
	switch {
	case boot != nil && (id == 22 || id == 21):
		return fieldNames[152+22-id], stampMillis(*boot + int64(n))
	case boot != nil && (id == 23 || id == 24):
		return reverseName(fieldNames[id-22]), strconv.FormatUint(n, 10)
	case pen == 0:
		name = fieldNames[id]
	case pen == 29305 && fieldNames[id] != "":
		name = reverseName(fieldNames[id])
	}
	switch id {
	case 8, 12, 27, 28:
		a, _ := netip.AddrFromSlice(octets)
		return name, a.String()
	case 152, 153:
		return name, stampMillis(int64(n))
	}
	return name, strconv.FormatUint(n, 10)
}

func stampMillis(ms int64) string { return stamp(time.UnixMilli(ms)) }

func (g *goflow) v5(msg []byte) {
	var p netflowlegacy.PacketNetFlowV5
	if err := netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(msg), &p); err != nil {
		g.t.Fatalf("goflow2: %v", err)
	}
	boot := int64(p.UnixSecs)*1000 - int64(p.SysUptime)
	for _, r := range p.Records {
		w := way{src: ipv4(uint32(r.SrcAddr)), dst: ipv4(uint32(r.DstAddr)), srcPort: uint64(r.SrcPort), dstPort: uint64(r.DstPort),
			proto: uint64(r.Proto), flags: uint64(r.TCPFlags), packets: uint64(r.DPkts), octets: uint64(r.DOctets)}
		addBoth(g.account, w, way{}, [4]string{stampMillis(boot + int64(r.First)), stampMillis(boot + int64(r.Last))})
	}
}

func ipv4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}
