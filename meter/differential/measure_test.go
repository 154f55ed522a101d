package differential

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"flowmeter/exporters/text"
	"flowmeter/meter"
	"flowmeter/meter/capture"
	"flowmeter/meter/conf"
	"flowmeter/meter/flow"
	"flowmeter/rules"
)

const measureRules = `
- if: ip or ipv6
  measure: [packet_size: {linear: 40..1500, buckets: 17}, inter_arrival: {log: 10us..10s, buckets: 13}, turnaround,
    bit_rate: {log: 100..10M, buckets: 9, window: 100ms}, packet_rate: {linear: 0..200, buckets: 21, window: 250ms}]
  do: count
`

const bitWindow, packetWindow = 100 * time.Millisecond, 250 * time.Millisecond

// lines is an exporter that keeps records as their JSON lines.
type lines struct {
	json *text.JSON
	err  error
}

// Offer implements meter.Exporter.
func (l *lines) Offer(b *flow.Batch) {
	l.err = errors.Join(l.err, l.json.Export(b))
	b.Release()
}

// measuredLine is what the test looks at of a line.
type measuredLine struct {
	way
	octets, packets [2]uint64
	distributions   map[string][]uint64
}

// meterLines meters a trace and returns the records in their order.
func meterLines(t *testing.T, path string, active time.Duration) (all []measuredLine) {
	t.Helper()
	v, c := conf.Parse("rules", []byte(measureRules))
	sets, _ := rules.ParseFile(v, rules.DefaultNetworks())
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	sets[0].Active, sets[0].Idle, sets[0].TCPLinger = active, forever, forever
	cfg := meter.DefaultConfig()
	cfg.RuleSets = sets
	var out bytes.Buffer
	j, err := text.NewJSON(&out, flow.ToNanos, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := &lines{json: j}
	m := meter.New(cfg, []meter.Exporter{l})
	err = m.Run([]meter.Open{func() (meter.Source, error) { return capture.Open(path) }}, func(err error) { t.Error(err) })
	if err = errors.Join(err, l.err, j.Close()); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		all = append(all, parseLine(t, line))
	}
	return all
}

func parseLine(t *testing.T, line string) measuredLine {
	t.Helper()
	var f struct {
		IPVersion, ProtocolIdentifier                                                        uint8
		SourceIPv4Address, DestinationIPv4Address, SourceIPv6Address, DestinationIPv6Address netip.Addr
		SourceTransportPort, DestinationTransportPort                                        *uint16
		OctetDeltaCount, ReverseOctetDeltaCount, PacketDeltaCount, ReversePacketDeltaCount   uint64
	}
	var raw map[string]any
	if err := errors.Join(json.Unmarshal([]byte(line), &f), json.Unmarshal([]byte(line), &raw)); err != nil {
		t.Fatal(err)
	}
	m := measuredLine{octets: [2]uint64{f.OctetDeltaCount, f.ReverseOctetDeltaCount},
		packets: [2]uint64{f.PacketDeltaCount, f.ReversePacketDeltaCount}, distributions: map[string][]uint64{}}
	m.way = way{version: f.IPVersion, proto: f.ProtocolIdentifier}
	m.src.addr, m.dst.addr = f.SourceIPv4Address, f.DestinationIPv4Address
	if f.IPVersion == 6 {
		m.src.addr, m.dst.addr = f.SourceIPv6Address, f.DestinationIPv6Address
	}
	if f.SourceTransportPort != nil {
		m.ports, m.src.port, m.dst.port = true, *f.SourceTransportPort, *f.DestinationTransportPort
	}
	for name, value := range raw {
		list, isList := value.([]any)
		if !isList {
			continue
		}
		m.distributions[name] = []uint64{}
		for _, n := range list {
			m.distributions[name] = append(m.distributions[name], uint64(n.(float64)))
		}
	}
	return m
}

// seen is a packet as gopacket reads it.
type seen struct {
	way
	time   int64
	octets uint64
}

// linkSLL2 is LINKTYPE_LINUX_SLL2, which gopacket does not know: 20 octets, of
// which the first two are an EtherType.
const linkSLL2 = 276 & 0xff

// readPackets reads the IP packets of a trace with gopacket alone.
func readPackets(t *testing.T, path string) (all []seen) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	first := map[string]way{} // of fragments
	for {
		data, info, err := r.ReadPacketData()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		s := seen{time: info.Timestamp.UnixNano()}
		decoder := gopacket.Decoder(r.LinkType())
		if r.LinkType() == linkSLL2 {
			data, decoder = data[20:], layers.EthernetType(binary.BigEndian.Uint16(data))
		}
		fragment, later, payload := s.readIP(gopacket.NewPacket(data, decoder, gopacket.Default))
		switch {
		case s.version == 0:
			continue
		case later && first[fragment].version != 0:
			s.way = first[fragment]
		case !later && len(payload) >= 4 && slices.Contains([]uint8{6, 17, 33, 132, 136}, s.proto):
			s.ports, s.src.port, s.dst.port = true, binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:])
			first[fragment] = s.way
		}
		all = append(all, s)
	}
}

// readIP reads the outer IP header: whether it is that of a later fragment,
// what the fragments of its packet share, and what stands behind it.
func (s *seen) readIP(p gopacket.Packet) (fragment string, later bool, payload []byte) {
	for _, l := range p.Layers() {
		switch ip := l.(type) {
		case *layers.IPv4:
			s.version, s.proto, s.octets = 4, uint8(ip.Protocol), uint64(ip.Length)
			s.src.addr, _ = netip.AddrFromSlice(ip.SrcIP.To4())
			s.dst.addr, _ = netip.AddrFromSlice(ip.DstIP.To4())
			return fmt.Sprint(ip.SrcIP, ip.DstIP, ip.Protocol, ip.Id), ip.FragOffset > 0, ip.Payload
		case *layers.IPv6:
			s.version, s.proto, s.octets, payload = 6, uint8(ip.NextHeader), 40+uint64(ip.Length), ip.Payload
			s.src.addr, _ = netip.AddrFromSlice(ip.SrcIP)
			s.dst.addr, _ = netip.AddrFromSlice(ip.DstIP)
			if h, any := p.Layer(layers.LayerTypeIPv6HopByHop).(*layers.IPv6HopByHop); any {
				s.proto, payload = uint8(h.NextHeader), h.Payload
			}
			if h, any := p.Layer(layers.LayerTypeIPv6Fragment).(*layers.IPv6Fragment); any {
				return fmt.Sprint(ip.SrcIP, ip.DstIP, h.Identification), h.FragmentOffset > 0, s.behind(h)
			}
			return fmt.Sprint(ip.SrcIP, ip.DstIP, ip.FlowLabel, "whole"), false, payload
		}
	}
	return "", false, nil
}

func (s *seen) behind(h *layers.IPv6Fragment) []byte {
	s.proto = uint8(h.NextHeader)
	return h.Payload
}

// tally puts v (in per-ths of the unit of the bounds) into its bucket.
func tally(counts, bounds []uint64, v, per int64) {
	i := 0
	for i < len(bounds) && big.NewRat(v, per).Cmp(big.NewRat(int64(bounds[i]), 1)) > 0 {
		i++
	}
	counts[i]++
}

// expected computes the distributions of a piece of a conversation: of the
// packets ps those from on, of which forward ones go as w.
func expected(l measuredLine, ps []seen, from, to int) map[string][]uint64 {
	want := map[string][]uint64{}
	counts := func(name string, reverse bool) []uint64 {
		bounds := l.distributions[name+"Bounds"]
		key := name + "Counts"
		if reverse {
			key = "reverse" + strings.ToUpper(key[:1]) + key[1:]
		}
		if want[key] == nil {
			want[name+"Bounds"], want[key] = bounds, make([]uint64, len(bounds)+1)
		}
		return want[key]
	}
	latest := map[bool]int64{}
	for i, p := range ps[:to] {
		back := p.way != l.way
		last, known := latest[back]
		if i >= from {
			tally(counts("packetSize", back), l.distributions["packetSizeBounds"], int64(p.octets), 1)
			inter := counts("interArrivalTime", back)
			if known {
				tally(inter, l.distributions["interArrivalTimeBounds"], max(0, p.time-last), 1000)
			}
			turn := counts("turnaroundTime", back)
			if i > 0 && (ps[i-1].way != l.way) != back {
				tally(turn, l.distributions["turnaroundTimeBounds"], max(0, p.time-latest[!back]), 1000)
			}
		}
		latest[back] = max(last, p.time)
	}
	for _, back := range []bool{false, true} {
		if l.packets[map[bool]int{true: 1}[back]] == 0 {
			continue
		}
		for name, window := range map[string]time.Duration{"bitRate": bitWindow, "packetRate": packetWindow} {
			var sums []int64
			at := 0
			for _, p := range ps[from:to] {
				at = max(at, int((p.time-ps[from].time)/int64(window)))
				for len(sums) <= at {
					sums = append(sums, 0)
				}
				switch {
				case (p.way != l.way) != back:
				case name == "bitRate":
					sums[at] += 8 * int64(p.octets)
				default:
					sums[at]++
				}
			}
			for _, sum := range sums {
				tally(counts(name, back), l.distributions[name+"Bounds"], sum*int64(time.Second), int64(window))
			}
		}
	}
	return want
}

// TestMeasured compares the distributions of every flow of every trace with
// those that are computed from what gopacket reads, count by count.
func TestMeasured(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/*.pcap")
	if err != nil || len(paths) < 10 {
		t.Fatal(paths, err)
	}
	for _, active := range []time.Duration{forever, time.Second} {
		sum := map[string]uint64{}
		for _, path := range paths {
			packets := map[conversation][]seen{}
			for _, p := range readPackets(t, path) {
				c, _ := p.conversation()
				packets[c] = append(packets[c], p)
			}
			done := map[conversation]int{}
			for _, l := range meterLines(t, path, active) {
				c, _ := l.conversation()
				ps, from := packets[c], done[c]
				to := from + int(l.packets[0]+l.packets[1])
				if done[c] = to; to > len(ps) {
					t.Errorf("%s: %v: the meter has %d packets, gopacket %d", path, c, to, len(ps))
					continue
				}
				for name, want := range expected(l, ps, from, to) {
					if got := l.distributions[name]; !slices.Equal(got, want) {
						t.Errorf("%s: %v: packets %d to %d: %s\ngot  %v\nwant %v", path, c, from, to, name, got, want)
					}
				}
				for name, list := range l.distributions {
					if strings.HasSuffix(name, "Counts") {
						for _, n := range list {
							sum[name] += n
						}
					}
				}
				sum["records"]++
			}
			for c, ps := range packets {
				if done[c] != len(ps) {
					t.Errorf("%s: %v: the meter has %d packets, gopacket %d", path, c, done[c], len(ps))
				}
			}
		}
		t.Logf("active %v: %v", active, sum)
	}
}
