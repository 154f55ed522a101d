// Package ring reads frames from live interfaces: the memory-mapped rings of
// Linux's AF_PACKET sockets (TPACKET_V3; the kernel's
// Documentation/networking/packet_mmap.rst), without cgo. Memory is the same
// without a kernel: it is fed from a trace.
//
// An Input is one or several interfaces whose packets share flows. It has as
// many rings as workers, and ring i is for worker i alone: the kernel puts
// both directions and all fragments of a conversation into the same one, by
// the function that packet.Shard is for traces.
package ring

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"slices"

	"golang.org/x/net/bpf"

	"flowmeter/meter/cbpf"
)

// Config of one input.
type Config struct {
	Interfaces  []string             // names, glob patterns (eth*; path.Match) or "any" alone
	Workers     int                  // rings of each interface: worker i owns ring i of each
	Snaplen     int                  // octets captured of each frame; tags that are put back come on top
	Size        int                  // octets of ring memory per worker and interface
	Promiscuous bool                 // also frames to others' MAC addresses; means nothing for "any"
	Offload     Offload              // what to do about frames of several packets
	Filter      []bpf.RawInstruction // frames for which it returns 0 are dropped in the kernel; nil for none
	Cut         []bpf.RawInstruction // how many octets to capture of the others, up to Snaplen, never 0; nil for Snaplen. Frames cut to 1 are capture.Cut
	Log         *slog.Logger         // nil: slog.Default
}

// Bounds of a Config.
const (
	maxWorkers = 256
	minSnaplen = 64        // Ethernet, a tag, IPv6: less would cut every packet
	maxSnaplen = 256 << 10 // libpcap's MAXIMUM_SNAPLEN
	maxSize    = 1 << 30   // per worker and interface
	minBlocks  = 8         // fewer, and one block that waits is a large part of the ring
	maxBlock   = 1 << 20   // a worker hands out memory in blocks
	minBlock   = 64 << 10  // the largest page of the architectures that Go knows
	frameRoom  = 512       // what a block holds beside the octets of its one frame
	bpfMax     = cbpf.MaxLen
	anyName    = "any" // all interfaces through one socket
	maxIfName  = 15    // IFNAMSIZ - 1
)

// Default returns the settings of an input whose interfaces are still to be
// named.
func Default() Config { return Config{Workers: 1, Snaplen: 256, Size: 32 << 20} }

// Validate says what of c cannot work.
func (c *Config) Validate() error {
	var errs []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(c.Workers < 1 || c.Workers > maxWorkers, "%d workers: 1 to %d can be had", c.Workers, maxWorkers)
	wrong(c.Snaplen < minSnaplen || c.Snaplen > maxSnaplen,
		"a snaplen of %d octets: %d to %d can be had", c.Snaplen, minSnaplen, maxSnaplen)
	wrong(c.Size < c.minSize() || c.Size > maxSize,
		"a ring of %d octets: with a snaplen of %d, %d to %d can be had", c.Size, c.Snaplen, c.minSize(), maxSize)
	wrong(c.Offload >= numOffloads, "offload %d: there is none of this number", c.Offload)
	wrong(len(c.Interfaces) == 0, "no interface is named")
	wrong(len(c.Interfaces) > 1 && slices.Contains(c.Interfaces, anyName),
		`"any" is all interfaces: name it alone, or the interfaces without it`)
	for _, name := range c.Interfaces {
		errs = append(errs, checkName(name))
	}
	return errors.Join(append(errs, checkPrograms(c.Filter, c.Cut))...)
}

func checkName(name string) error {
	if _, err := path.Match(name, ""); err != nil {
		return fmt.Errorf("interface %q: %w (patterns are as eth*, wl?0, en[ps]*)", name, err)
	}
	if name == "" || !isPattern(name) && len(name) > maxIfName {
		return fmt.Errorf("interface %q: a name has 1 to %d octets", name, maxIfName)
	}
	return nil
}

// blockSize is the size of a ring's blocks: as large as they are useful, as
// long as there are enough of them. All of it is a power of two.
func (c *Config) blockSize() int {
	size := minBlock
	for size < maxBlock && 2*size*minBlocks <= c.Size || size < c.Snaplen+frameRoom {
		size *= 2
	}
	return size
}

func (c *Config) minSize() int {
	size := minBlock
	for size < c.Snaplen+frameRoom {
		size *= 2
	}
	return size * minBlocks
}

// matches tells whether an interface is one of the input.
func (c *Config) matches(name string) bool {
	return slices.ContainsFunc(c.Interfaces, func(p string) bool {
		ok, _ := path.Match(p, name)
		return ok || p == name
	})
}

func (c *Config) any() bool { return slices.Contains(c.Interfaces, anyName) }

func (c *Config) logger() *slog.Logger {
	if c.Log != nil {
		return c.Log
	}
	return slog.Default()
}

func isPattern(name string) bool {
	for _, c := range name {
		switch c {
		case '*', '?', '[', '\\':
			return true
		}
	}
	return false
}

// Offload says what becomes of frames of several packets, as TSO, GSO and GRO
// make them of up to 64 KiB and more.
type Offload uint8

const (
	// Segments has the kernel say how the frame was, or will be, cut
	// (capture.Frame.Segment), where it can: kernels before 6.2 drop UDP
	// frames of several packets when they are asked to, so they are not.
	Segments Offload = iota
	// Frames takes such a frame as it is seen.
	Frames
	// AlwaysSegments is Segments on kernels before 6.2 too: what they drop
	// is in their count of drops.
	AlwaysSegments
	numOffloads
)

var offloadNames = [numOffloads]string{"segments", "frames", "always-segments"}

// String returns the name used in configurations: segments, frames or
// always-segments.
func (o Offload) String() string {
	if o >= numOffloads {
		return fmt.Sprintf("offload %d", uint8(o))
	}
	return offloadNames[o]
}

// UnmarshalText reads what String returns.
func (o *Offload) UnmarshalText(text []byte) error {
	i := slices.Index(offloadNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("offload %q: there are %q", text, offloadNames)
	}
	*o = Offload(i)
	return nil
}

// InterfaceStats is the account of one interface of an input since Open. All
// counts are of what passed the filter.
type InterfaceStats struct {
	Name     string // "any" for the one socket that reads all
	Index    uint32 // ifIndex; 0 for "any"
	Up       bool   // it is there, up and read
	Segments bool   // offloaded frames come with their Segment
	Packets  uint64 // tp_packets: frames that came, those dropped included
	Drops    uint64 // tp_drops: frames that came and are in no batch
	Freezes  uint64 // tp_freeze_q_cnt: how often the ring was full
}

// errClosed is what a closed Input says.
var errClosed = fmt.Errorf("the input: %w", os.ErrClosed)
