package packet

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// traceFiles returns the traces of testdata and, if it is set, of METER_TRACES.
// Compressed ones and other formats are left out, and counted in the log.
func traceFiles(t *testing.T) []string {
	t.Helper()
	roots := []string{filepath.Join("..", "..", "testdata")}
	if dir := os.Getenv("METER_TRACES"); dir != "" {
		roots = append(roots, dir)
	}
	var files []string
	others := 0
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			if isTrace(path) {
				files = append(files, path)
			} else {
				others++
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	t.Logf("%d traces, %d files that are no plain pcap or pcapng", len(files), others)
	if len(files) == 0 {
		t.Skip("no traces: METER_TRACES names no folder and testdata has none")
	}
	return files
}

// isTrace reports whether a file begins like a pcap or pcapng file.
func isTrace(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil {
		return false
	}
	switch be32(magic[:]) {
	case 0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1, 0x0a0d0d0a:
		return true
	}
	return false
}

type frame struct {
	link LinkType
	data []byte
	wire uint32
}

// readTrace hands each frame of a trace to visit. The error says why pcapgo
// did not come to the end of it.
func readTrace(path string, visit func(frame)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var head [24]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if be32(head[:]) == 0x0a0d0d0a {
		return readNG(f, visit)
	}
	r, err := pcapgo.NewReader(f)
	if err != nil {
		return err
	}
	r.SetSnaplen(math.MaxUint32) // files are sloppy about theirs
	link := pcapLink(head[:])
	return readFrames(r, func(gopacket.CaptureInfo) LinkType { return link }, visit)
}

// pcapLink returns the link type of a pcap file header. gopacket keeps eight
// bits of it.
func pcapLink(head []byte) LinkType {
	if head[0] == 0xa1 {
		return LinkType(be16(head[22:]))
	}
	return LinkType(binary.LittleEndian.Uint16(head[20:]))
}

func readNG(f io.Reader, visit func(frame)) error {
	r, err := pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		return err
	}
	linkOf := func(ci gopacket.CaptureInfo) LinkType { return LinkType(ci.AncillaryData[0].(layers.LinkType)) }
	return readFrames(r, linkOf, visit)
}

func readFrames(r gopacket.PacketDataSource, linkOf func(gopacket.CaptureInfo) LinkType, visit func(frame)) error {
	for {
		data, ci, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		visit(frame{linkOf(ci), data, uint32(ci.Length)})
	}
}
