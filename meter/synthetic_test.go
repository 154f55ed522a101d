package meter

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"flowmeter/meter/capture"
	"flowmeter/meter/conf"
	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// A trace is a pcap with nanoseconds in memory.
type trace struct{ bytes.Buffer }

func newTrace() *trace {
	t := &trace{}
	for _, v := range []uint32{0xa1b23c4d, 4<<16 | 2, 0, 0, 1 << 16, uint32(packet.LinkEthernet)} {
		t.word(v)
	}
	return t
}

func (t *trace) word(v uint32) { t.Write(binary.LittleEndian.AppendUint32(nil, v)) }

// add appends a frame, of which the capture holds the first caplen octets.
func (t *trace) add(at int64, frame []byte, caplen int) {
	captured := frame[:min(caplen, len(frame))]
	t.word(uint32(at / int64(time.Second)))
	t.word(uint32(at % int64(time.Second)))
	t.word(uint32(len(captured)))
	t.word(uint32(len(frame)))
	t.Write(captured)
}

// open returns what Run opens the trace by. Batches have at most the given
// number of frames.
func (t *trace) open(frames int) Open {
	return func() (Source, error) {
		cfg := capture.ReaderConfig{BufferSize: 1 << 12, MaxFrames: frames, MaxBuffers: 16}
		return capture.NewPool(cfg).NewReader("synthetic", bytes.NewReader(t.Bytes())), nil
	}
}

// frame says what a synthetic frame holds.
type frame struct {
	six              bool
	src, dst         byte // last octets of the addresses
	proto            byte
	sport, dport     uint16
	flags            byte // of TCP; type of ICMP
	ttl              byte
	id               uint16
	fragment         uint16 // offset in units of 8 octets; 0 if not fragmented
	first            bool   // first fragment
	vlan             uint16 // 0 for no tag
	payload, padding int
}

const ethernetHeader = 14

func (f *frame) bytes() []byte {
	ip := f.ip()
	b := append(make([]byte, 0, 64+len(ip)), 2, 0, 0, 0, 0, f.dst, 2, 0, 0, 0, 0, f.src)
	if f.vlan != 0 {
		b = binary.BigEndian.AppendUint16(append(b, 0x81, 0), f.vlan)
	}
	if f.six {
		b = append(b, 0x86, 0xdd)
	} else {
		b = append(b, 8, 0)
	}
	return append(append(b, ip...), make([]byte, f.padding)...)
}

func (f *frame) ip() []byte {
	body := f.transport()
	if f.six {
		b := binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 9}, uint16(len(body)))
		b = append(b, f.proto, f.ttl)
		src, dst := [16]byte{0: 0xfd, 15: f.src}, [16]byte{0: 0x20, 15: f.dst}
		b = append(append(b, src[:]...), dst[:]...)
		return append(b, body...)
	}
	more := uint16(0)
	if f.first {
		more = 0x2000
	}
	b := binary.BigEndian.AppendUint16([]byte{0x45, 8}, uint16(20+len(body)))
	b = binary.BigEndian.AppendUint16(b, f.id)
	b = binary.BigEndian.AppendUint16(b, more|f.fragment)
	b = append(b, f.ttl, f.proto, 0, 0, 10, 0, 0, f.src, 192, 0, 2, f.dst)
	return append(b, body...)
}

func (f *frame) transport() []byte {
	var b []byte
	switch {
	case f.fragment != 0:
	case f.proto == packet.ProtoTCP:
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, f.sport), f.dport)
		b = append(b, 0, 0, 0, 1, 0, 0, 0, 1, 5<<4, f.flags, 1, 0, 0, 0, 0, 0)
	case f.proto == packet.ProtoUDP:
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, f.sport), f.dport)
		b = append(b, 0, byte(8+f.payload), 0, 0)
	default:
		b = append(b, f.flags, 0, 0, 0, 0, 0, 0, 0)
	}
	return append(b, make([]byte, f.payload)...)
}

// randomFrame makes one of the frames of a busy link with few hosts.
func randomFrame(rnd *rand.Rand) []byte {
	f := frame{
		six: rnd.IntN(4) == 0, src: byte(rnd.IntN(20)), dst: byte(rnd.IntN(5)), ttl: byte(60 + rnd.IntN(5)),
		proto: []byte{6, 6, 6, 17, 17, 1, 58, 47}[rnd.IntN(8)],
		sport: 1024 + uint16(rnd.IntN(8)), dport: []uint16{53, 80, 443}[rnd.IntN(3)],
		flags:   []byte{0x02, 0x12, 0x10, 0x10, 0x18, 0x11, 0x11, 0x04}[rnd.IntN(8)],
		payload: rnd.IntN(100), padding: rnd.IntN(2) * 6,
	}
	switch rnd.IntN(40) {
	case 0:
		return append([]byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, f.src, 8, 6}, make([]byte, 46)...) // ARP
	case 1: // malformed: an IP header longer than the packet
		b := f.bytes()
		b[ethernetHeader] = 0x4f
		return b[:ethernetHeader+24]
	case 2, 3, 4:
		f.six, f.proto, f.id, f.first = false, packet.ProtoUDP, uint16(rnd.IntN(3)), true
	case 5, 6, 7:
		f.six, f.proto, f.id, f.fragment = false, packet.ProtoUDP, uint16(rnd.IntN(3)), 10
	case 8, 9:
		f.vlan = uint16(1 + rnd.IntN(3))
	}
	if rnd.IntN(2) == 0 && !f.six {
		b := f.bytes()
		at := len(b) - f.padding - len(f.ip()) + 12
		copy(b[at:], []byte{192, 0, 2, f.dst, 10, 0, 0, f.src})
		if f.fragment == 0 && (f.proto == packet.ProtoTCP || f.proto == packet.ProtoUDP) {
			binary.BigEndian.PutUint16(b[at+8:], f.dport)
			binary.BigEndian.PutUint16(b[at+10:], f.sport)
		}
		return b
	}
	return f.bytes()
}

// randomTrace makes packets with late ones, pauses beyond every timeout and
// steps of the clock. Some are cut by the capture.
func randomTrace(seed uint64, packets int) *trace {
	rnd := rand.New(rand.NewPCG(seed, 3))
	t := newTrace()
	now := int64(1_700_000_000) * int64(time.Second)
	for range packets {
		now += rnd.Int64N(int64(40 * time.Millisecond))
		at := now
		switch rnd.IntN(500) {
		case 0:
			now += rnd.Int64N(int64(200 * time.Second))
		case 1:
			if rnd.IntN(4) == 0 {
				now -= int64(100 * time.Second)
			}
		case 2, 3, 4, 5, 6, 7, 8, 9:
			at -= rnd.Int64N(int64(50 * time.Second))
		}
		caplen := 1 << 16
		if rnd.IntN(30) == 0 {
			caplen = ethernetHeader + rnd.IntN(40)
		}
		t.add(at, randomFrame(rnd), caplen)
	}
	return t
}

// ruleSets reads rule sets.
func ruleSets(t testing.TB, text string) []*rules.RuleSet {
	t.Helper()
	v, c := conf.Parse("test.yaml", []byte(text))
	sets, _ := rules.ParseFile(v, rules.DefaultNetworks())
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	return sets
}

// collector is an Exporter that keeps the records. It takes them in a goroutine
// of its own, as exporters do.
type collector struct {
	batches chan *flow.Batch
	done    chan struct{}
	records []flow.Record
	sizes   []int // of batches
	clocks  []int64
	stats   *flow.Statistics
	onBatch func()
}

func newCollector() *collector {
	c := &collector{batches: make(chan *flow.Batch, 4), done: make(chan struct{})}
	go c.run()
	return c
}

func (c *collector) Offer(b *flow.Batch) { c.batches <- b }

func (c *collector) run() {
	defer close(c.done)
	for b := range c.batches {
		for i := range b.Records {
			c.records = append(c.records, flow.Record{})
			b.Records[i].CopyTo(&c.records[len(c.records)-1])
		}
		c.sizes, c.clocks = append(c.sizes, len(b.Records)), append(c.clocks, b.Clock)
		if b.Final {
			c.stats = b.Stats
		}
		b.Release()
		if c.onBatch != nil {
			c.onBatch()
		}
	}
}

// run meters sources to their end and waits until the records are there.
func run(m *Meter, c *collector, failed func(error), open ...Open) error {
	err := m.Run(open, failed)
	Finish([]Exporter{c}, AccountOf([]*Meter{m}))
	close(c.batches)
	<-c.done
	return err
}
