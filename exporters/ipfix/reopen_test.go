package ipfix

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/sample"
)

// TestReopenFile moves IPFIX files away while records come: each file explains
// itself and ends as such a file does, and together they have all records.
func TestReopenFile(t *testing.T) {
	for _, transport := range []Transport{File, Writer} {
		path := filepath.Join(t.TempDir(), "flows.ipfix")
		cfg := Default()
		cfg.Transport, cfg.Path, cfg.Live, cfg.Domain = transport, path, true, 7
		if transport == Writer {
			f, err := exporters.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			cfg.Writer = f
		}
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		e.Start(t.Context())
		records := sample.Records(12, 3000)
		var files []string
		for i := range 3 {
			if err := e.Export(batch(records[1000*i : 1000*(i+1)])); err != nil {
				t.Fatal(err)
			}
			if err := e.Reopen(); err != nil { // nothing was moved
				t.Fatal(err)
			}
			if i == 2 {
				break
			}
			files = append(files, fmt.Sprintf("%s.%d", path, i))
			if err := os.Rename(path, files[i]); err != nil {
				t.Fatal(err)
			}
			if err := e.Reopen(); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		for i, file := range append(files, path) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := newCollector(t, streamMessage)
			c.stream(data)
			c.check(cfg, records[1000*i:1000*(i+1)])
			if len(c.options[windowID]) != 1 || len(c.options[detailsID]) != 1 {
				t.Errorf("%s: %d time windows, %d session details", file, len(c.options[windowID]), len(c.options[detailsID]))
			}
		}
		if n := e.Stats().Records.Load(); n != uint64(len(records)) || e.Stats().Lost().Records != 0 {
			t.Errorf("%d counted of %d, %d lost", n, len(records), e.Stats().Lost().Records)
		}
	}
}
