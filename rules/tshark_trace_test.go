//go:build integration

package rules

import (
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmeter/meter/capture"
	"flowmeter/meter/packet"
)

// A traceFrame is one frame of the traces that both programs look at.
type traceFrame struct {
	link  packet.LinkType
	data  []byte
	wire  uint32
	time  int64
	h     packet.Headers
	out   packet.Outcome
	stack string // tshark's frame.protocols
	ace   bool   // tshark sees the flags of accurate ECN in it
}

// traceFrames returns the frames of all traces below a folder whose link type
// the meter knows, of each trace so many at most. What cannot be read ends the
// trace: the readers have tests of their own.
func traceFrames(root string, perTrace int) (frames []*traceFrame, traces int) {
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, ".tsv") {
			return nil
		}
		if more := framesOf(path, perTrace); len(more) > 0 {
			frames, traces = append(frames, more...), traces+1
		}
		return nil
	})
	return frames, traces
}

func framesOf(path string, most int) (frames []*traceFrame) {
	r, err := capture.Open(path)
	if err != nil {
		return nil
	}
	defer r.Close()
	for {
		b, err := r.Next()
		if err != nil {
			return frames
		}
		for i := range b.Frames {
			f := &b.Frames[i]
			t := &traceFrame{link: packet.LinkType(f.Link), data: append([]byte(nil), b.Data(f)...), wire: f.WireLen, time: f.Time}
			t.wire = max(t.wire, uint32(len(t.data)))
			t.h.Time = t.time
			t.out = packet.Decode(&t.h, t.link, t.data, t.wire)
			if t.out != packet.Unsupported && len(frames) < most && t.time >= 0 {
				frames = append(frames, t)
			}
		}
		b.Release()
	}
}

// writePcapng writes frames of any link types into one trace, in their order
// and with their times.
func writePcapng(t testing.TB, path string, frames []*traceFrame) {
	le := binary.LittleEndian
	block := func(kind uint32, body []byte) []byte {
		body = append(body, make([]byte, -len(body)&3)...)
		size := uint32(len(body) + 12)
		b := le.AppendUint32(le.AppendUint32(nil, kind), size)
		return le.AppendUint32(append(b, body...), size)
	}
	section := le.AppendUint64(le.AppendUint32(le.AppendUint32(nil, 0x1a2b3c4d), 1), 1<<64-1)
	out := block(0x0a0d0d0a, section)
	interfaces := map[packet.LinkType]uint32{}
	for _, f := range frames {
		if _, known := interfaces[f.link]; known {
			continue
		}
		interfaces[f.link] = uint32(len(interfaces))
		b := le.AppendUint32(le.AppendUint16(le.AppendUint16(nil, uint16(f.link)), 0), 1<<18)
		b = append(b, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0) // if_tsresol: nanoseconds
		out = append(out, block(1, b)...)
	}
	for _, f := range frames {
		b := le.AppendUint32(nil, interfaces[f.link])
		b = le.AppendUint32(le.AppendUint32(b, uint32(f.time>>32)), uint32(f.time))
		b = le.AppendUint32(le.AppendUint32(b, uint32(len(f.data))), f.wire)
		out = append(out, block(6, append(b, f.data...))...)
	}
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
}
