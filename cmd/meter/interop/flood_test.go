//go:build integration && linux

package interop

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"flowmeter/meter/lab"
)

// floodVariable sets the number of distinct SYNs of TestFlood.
const floodVariable = "METER_FLOOD"

const floodConfig = `
meter: {inputs: [{interfaces: [near, f1], name: both, ring: 64MiB}]}
exporters: [{jsonl: {path: %s}}]
rulesets:
  - name: conversations
    timeouts: {active: 1h, idle: 10s}
    max_flows: 100000
    overload: {standby: networks, high_water: 80%%, flood: 95%%}
    rules: [{if: 'not ip', do: ignore}, {do: count}]
  - name: networks
    runs: standby
    max_flows: 1000
    rules: [{save: [src.addr/8, dst.addr/24], do: count}]
`

// TestFlood: while a TCP connection is measured, distinct SYNs come in on the
// other interface of the same input, by default half a million of them. The
// connection is measured to the segment, memory stays within bounds, and every
// packet of the flood is in the account.
func TestFlood(t *testing.T) {
	lab.Tool(t, "tcpreplay")
	lab.Tool(t, "iperf3")
	if !lab.Isolated(t) {
		return
	}
	far := lab.Far(t)
	lab.Veth(t, "f0", "f1")
	syns := 500_000
	if n, err := strconv.Atoi(os.Getenv(floodVariable)); err == nil {
		syns = n
	}
	dir := t.TempDir()
	trace, config, records := filepath.Join(dir, "flood.pcap"), filepath.Join(dir, "c.yaml"), filepath.Join(dir, "flows.jsonl")
	writeFlood(t, trace, syns)
	if err := os.WriteFile(config, []byte(fmt.Sprintf(floodConfig, records)), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &live{Process: lab.Start(t, meter, "run", "-c", config), file: records}
	lab.Eventually(t, "the meter reads both", func() bool { return strings.Count(m.Log.String(), "interface is read") == 2 })
	server := iperfServer(t, far)
	near0, far0 := segments(t, ""), segments(t, far)
	client := lab.Start(t, "iperf3", "-c", "192.0.2.2", "-R", "-b", "20M", "-t", strconv.Itoa(4+syns/60_000))
	lab.Eventually(t, "the download goes", func() bool { return segments(t, far) > far0+500 })
	sent := lab.Replay(t, "f0", "--pps=80000", trace)
	memory := resident(t, m.Process)
	lab.Eventually(t, "the download ends", func() bool { return strings.Contains(client.Out.String(), "iperf Done") })
	client.Wait()
	server.Wait()
	near1, far1 := segments(t, ""), segments(t, far)
	m.stop()
	checkFlood(t, m, sent, near1-near0, far1-far0)
	if memory > 400<<20 {
		t.Errorf("%d octets of memory", memory)
	}
	t.Logf("%d SYNs, %d MiB resident, %d segments there and %d back", sent, memory>>20, near1-near0, far1-far0)
}

// resident returns how many octets of memory the process has.
func resident(t *testing.T, p *lab.Process) uint64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, _ := strconv.ParseUint(strings.Fields(string(text))[1], 10, 64)
	return pages * uint64(os.Getpagesize())
}

func checkFlood(t *testing.T, m *live, sent, there, back uint64) {
	t.Helper()
	if in := m.cameIn(); m.read() < in-m.drops() || in < sent { // offloaded frames are several packets
		t.Errorf("%d frames came in, %d read, %d dropped, %d sent\n%s", in, m.read(), m.drops(), sent, m.Out.String())
	}
	var forward, reverse, flood uint64
	sets := map[any]uint64{}
	for _, r := range m.records() {
		packets := r.number("packetDeltaCount") + r.number("reversePacketDeltaCount")
		sets[r["ruleset"]] += packets
		if r.number("destinationTransportPort") == 5201 {
			forward, reverse = forward+r.number("packetDeltaCount"), reverse+r.number("reversePacketDeltaCount")
		} else {
			flood += packets
		}
	}
	if forward != there || reverse != back {
		t.Errorf("the connection has %d packets there and %d back, the kernels sent %d and %d", forward, reverse, there, back)
	}
	if flood+m.drops() < sent || sets["networks"] == 0 {
		t.Errorf("%d packets of the flood are in records, %d dropped, %d sent: %v", flood, m.drops(), sent, sets)
	}
	t.Logf("packets by rule set: %v; %d dropped by the kernel", sets, m.drops())
}

// writeFlood writes a trace of SYNs between addresses and ports that never come
// twice.
func writeFlood(t *testing.T, path string, syns int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	defer w.Flush()
	le, be := binary.LittleEndian, binary.BigEndian
	head := make([]byte, 24)
	le.PutUint32(head, 0xa1b2c3d4)
	le.PutUint16(head[4:], 2)
	le.PutUint16(head[6:], 4)
	le.PutUint32(head[16:], 65535)
	le.PutUint32(head[20:], 1)
	w.Write(head)
	rec := make([]byte, 16+60)
	le.PutUint32(rec[8:], 60)
	le.PutUint32(rec[12:], 60)
	p := rec[16:]
	copy(p, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00\x45\x00\x00\x28\x00\x00\x40\x00\x40\x06")
	copy(p[30:], []byte{198, 51, 100, 7}) // to
	p[46], p[47] = 0x50, 0x02
	for i := range syns {
		le.PutUint32(rec[0:], uint32(1_700_000_000+i/80_000))
		be.PutUint32(p[26:], 0x0a000000|uint32(i)&0xffffff) // from
		be.PutUint16(p[34:], uint16(1024+i>>24))
		be.PutUint16(p[36:], 80)
		w.Write(rec)
	}
}
