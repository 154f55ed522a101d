package capture

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// pcapOf makes a little-endian pcap file with one-octet frames at the given
// seconds, each frame holding mark.
func pcapOf(t *testing.T, dir, name string, mark byte, seconds ...byte) string {
	t.Helper()
	b := []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0}
	for _, s := range seconds {
		b = append(b, s, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, mark)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMergedOrder(t *testing.T) {
	dir := t.TempDir()
	paths := []string{
		pcapOf(t, dir, "a", 'a', 1, 3, 5, 5),
		pcapOf(t, dir, "b", 'b', 2, 3, 6),
		pcapOf(t, dir, "empty", 'c'),
	}
	cfg := DefaultReaderConfig()
	cfg.MaxFrames = 3 // several batches
	m, err := OpenMerged(NewPool(cfg), paths)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	got := ""
	for {
		b, err := m.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Frames {
			got += string(b.Data(&b.Frames[i])) + string(rune('0'+b.Frames[i].Time/1e9)) + string(rune('0'+b.Frames[i].Iface)) + " "
		}
		b.Release()
	}
	if want := "a10 b21 a30 b31 a50 a50 b61 "; got != want {
		t.Errorf("merged %q, want %q", got, want)
	}
}

func TestMergedReportsAllErrors(t *testing.T) {
	dir := t.TempDir()
	whole := pcapOf(t, dir, "whole", 'w', 1, 2)
	cut := pcapOf(t, dir, "cut", 'c', 1, 2)
	if err := os.Truncate(cut, 24+17+5); err != nil {
		t.Fatal(err)
	}
	m, err := OpenMerged(NewPool(DefaultReaderConfig()), []string{whole, cut, filepath.Join(dir, "missing")})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	packets := 0
	for {
		b, err := m.Next()
		if err != nil {
			var both interface{ Unwrap() []error }
			if b, ok := err.(interface{ Unwrap() []error }); ok {
				both = b
			}
			if both == nil || len(both.Unwrap()) != 2 {
				t.Errorf("got %v, want the missing file and the cut one", err)
			}
			break
		}
		packets += len(b.Frames)
		b.Release()
	}
	if packets != 3 {
		t.Errorf("%d packets before the cut, want 3", packets)
	}
}
