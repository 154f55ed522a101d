package ring

import (
	"encoding"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

// TestValidate names what cannot work, all of it.
func TestValidate(t *testing.T) {
	with := func(change func(*Config)) Config {
		c := Default()
		c.Interfaces = []string{"eth0"}
		change(&c)
		return c
	}
	tests := []struct {
		cfg  Config
		want string // "" for nothing
	}{
		{with(func(*Config) {}), ""},
		{with(func(c *Config) { c.Interfaces = []string{"eth*", "wl?0", "en[ps]*"} }), ""},
		{with(func(c *Config) { c.Interfaces = []string{"any"} }), ""},
		{with(func(c *Config) { c.Snaplen, c.Size = 65535, 1<<20 }), ""},
		{with(func(c *Config) { c.Filter = []bpf.RawInstruction{{Op: opRetK}} }), ""},
		{Default(), "no interface is named"},
		{with(func(c *Config) { c.Interfaces = []string{"any", "eth0"} }), "name it alone"},
		{with(func(c *Config) { c.Interfaces = []string{"eth[0"} }), `interface "eth[0": syntax error in pattern`},
		{with(func(c *Config) { c.Interfaces = []string{""} }), "1 to 15 octets"},
		{with(func(c *Config) { c.Interfaces = []string{"an-interface-too-long"} }), "1 to 15 octets"},
		{with(func(c *Config) { c.Workers = 0 }), "0 workers"},
		{with(func(c *Config) { c.Workers = 257 }), "257 workers"},
		{with(func(c *Config) { c.Snaplen = 20 }), "a snaplen of 20 octets"},
		{with(func(c *Config) { c.Snaplen = 1 << 20 }), "a snaplen of 1048576 octets"},
		{with(func(c *Config) { c.Size = 1000 }), "a ring of 1000 octets: with a snaplen of 256, 524288 to 1073741824 can be had"},
		{with(func(c *Config) { c.Size, c.Snaplen = 1<<20-1, 65535 }), "a snaplen of 65535, 1048576 to"},
		{with(func(c *Config) { c.Offload = 7 }), "offload 7"},
		{with(func(c *Config) { c.Filter = []bpf.RawInstruction{} }), "filter: a program of 0"},
	}
	for _, tt := range tests {
		err := tt.cfg.Validate()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%q: %v", tt.want, err)
		}
	}
	bad := Config{Workers: -1}
	if err := bad.Validate(); strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("not all that is wrong: %v", err)
	}
}

// TestBlockSize: a block holds a frame of the snaplen, pages are whole, and
// there are enough blocks.
func TestBlockSize(t *testing.T) {
	for _, snaplen := range []int{64, 256, 9000, 65535, maxSnaplen} {
		for size := minBlock; size <= maxSize; size *= 2 {
			c := Config{Snaplen: snaplen, Size: size}
			block := c.blockSize()
			if size < c.minSize() {
				continue
			}
			if block < snaplen+frameRoom || block%minBlock != 0 || size/block < minBlocks {
				t.Errorf("snaplen %d, ring %d: blocks of %d", snaplen, size, block)
			}
		}
	}
}

func TestMatches(t *testing.T) {
	c := Config{Interfaces: []string{"eth*", "lo", "tap[0-2]"}}
	for name, want := range map[string]bool{"eth0": true, "eth": true, "lo": true, "lo0": false, "tap1": true, "tap3": false, "veth0": false} {
		if c.matches(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

var _ encoding.TextUnmarshaler = new(Offload)

func TestOffload(t *testing.T) {
	for o := range numOffloads {
		var back Offload
		if err := back.UnmarshalText([]byte(o.String())); err != nil || back != o {
			t.Errorf("%v: %v, %v", o, back, err)
		}
	}
	var o Offload
	if err := o.UnmarshalText([]byte("none")); err == nil || !strings.Contains(err.Error(), "segments") {
		t.Error(err)
	}
}
