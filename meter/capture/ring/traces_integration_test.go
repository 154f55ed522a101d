//go:build integration && linux

package ring

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"flowmeter/meter/capture"
	"flowmeter/meter/lab"
	"flowmeter/meter/packet"
)

// gather writes the Ethernet frames of all traces into one, as many as a host
// can send: tcpreplay and the kernel take no shorter and no longer ones, and
// the kernel drops those that end inside a tag before anybody sees them.
func gather(t *testing.T) (path string, frames []string) {
	t.Helper()
	const most, perTrace = 65000, 3000
	path = filepath.Join(t.TempDir(), "all.pcap")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := pcapgo.NewWriter(file)
	w.WriteFileHeader(most, layers.LinkTypeEthernet)
	files := 0
	for _, trace := range traces(t) {
		n := 0
		eachFrame(t, trace, func(f *capture.Frame, data []byte) {
			if f.Link != uint16(packet.LinkEthernet) || len(data) < 20 || len(data) > most || n == perTrace {
				return
			}
			n++
			frames = append(frames, string(data))
			ci := gopacket.CaptureInfo{Timestamp: time.Unix(int64(len(frames)), 0), CaptureLength: len(data), Length: len(data)}
			if err := w.WritePacket(ci, data); err != nil {
				t.Fatal(err)
			}
		})
		if n > 0 {
			files++
		}
	}
	t.Logf("%d frames of %d traces", len(frames), files)
	return path, frames
}

// TestAllTraces sends every frame of every trace at several speeds: each comes
// out once, as it was, in the ring of its worker.
func TestAllTraces(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	path, frames := gather(t)
	lab.Veth(t, "a0", "b0")
	for _, speed := range []string{"--topspeed", "--pps=30000"} {
		for workers := 1; workers <= 2; workers++ {
			cfg := Default()
			cfg.Interfaces, cfg.Workers, cfg.Size = []string{"b0"}, workers, 128<<20
			k := take(t, cfg)
			lab.Replay(t, "a0", speed+" --preload-pcap", path)
			got, stats := k.close()
			want := make([][]string, workers)
			for _, frame := range frames {
				w := worker(uint16(packet.LinkEthernet), []byte(frame), workers)
				want[w] = append(want[w], frame)
			}
			if stats[0].Drops != 0 || int(stats[0].Packets) != len(frames) {
				t.Errorf("%s, %d workers: %d were sent: %+v", speed, workers, len(frames), stats[0])
			}
			for w := range want {
				equal(t, fmt.Sprintf("%s, worker %d of %d", speed, w, workers), got[w], want[w], cfg.Snaplen)
			}
		}
	}
}
