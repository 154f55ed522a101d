package text

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"flowmeter/exporters"
	"flowmeter/meter/flow"
)

// formats make the exporters that write lines, and read a file of theirs back:
// the flow ids in their order.
var formats = map[string]struct {
	make func(io.Writer) (exporters.Sink, error)
	read func(t *testing.T, data []byte) []string
}{
	"jsonl": {func(w io.Writer) (exporters.Sink, error) { return NewJSON(w, flow.ToMillis, nil) }, readJSON},
	"csv":   {func(w io.Writer) (exporters.Sink, error) { return NewCSV(w, flow.ToMillis, nil) }, readCSV},
}

func readJSON(t *testing.T, data []byte) (ids []string) {
	t.Helper()
	for line := range strings.Lines(string(data)) {
		values, _ := parse(t, line)
		ids = append(ids, values["flowId"].(string))
	}
	return ids
}

// readCSV checks that the file begins with a header, and has no other.
func readCSV(t *testing.T, data []byte) (ids []string) {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil || len(rows) == 0 || rows[0][1] != "flowId" {
		t.Fatalf("%v, file of %d octets begins with %.100q", err, len(data), data)
	}
	for _, row := range rows[1:] {
		ids = append(ids, row[1])
	}
	return ids
}

// TestReopen moves the file of an exporter away again and again while records
// come, as logrotate does: each record is in one of the files, whole and in order.
func TestReopen(t *testing.T) {
	for name, format := range formats {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "flows")
			f, err := exporters.Append(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			sink, err := format.make(f)
			if err != nil {
				t.Fatal(err)
			}
			q := exporters.NewQueue(name, sink, exporters.QueueConfig{Records: 1000, Lossless: true, Log: slog.New(slog.DiscardHandler)})
			done := make(chan error, 1)
			go func() { done <- q.Run(t.Context()) }()
			const moves = 20
			var files []string
			given := 0
			give := func(n int, final bool) {
				b := &flow.Batch{Final: final}
				for range n {
					r := conversation("10.1.2.3:40000", "192.0.2.80:443")
					r.FlowID = uint64(given)
					b.Records = append(b.Records, r)
					given++
				}
				b.Retain(1)
				q.Offer(b)
			}
			for i := range moves {
				for range 20 {
					give(37, false)
				}
				files = append(files, fmt.Sprintf("%s.%d", path, i))
				if err := os.Rename(path, files[i]); err != nil {
					t.Fatal(err)
				}
				q.Reopen()
				for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
					if _, err := os.Stat(path); err == nil {
						break
					}
					if time.Now().After(end) {
						t.Fatal("no new file")
					}
				}
			}
			give(5, true)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, file := range append(files, path) {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, format.read(t, data)...)
			}
			want := make([]string, given)
			for i := range want {
				want[i] = fmt.Sprintf("%016x", i)
			}
			if !slices.Equal(ids, want) {
				t.Errorf("%d records are in the files, of %d, or they are in another order", len(ids), given)
			}
			if s := q.Stats(); s.Records.Load() != uint64(given) || s.Errors.Load() != 0 {
				t.Errorf("%d counted of %d, %d errors", s.Records.Load(), given, s.Errors.Load())
			}
		})
	}
}

// TestReopenInPlace: the file is where it was, cannot be had for a while, and has
// been taken up by another program that wrote something to it.
func TestReopenInPlace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	path := filepath.Join(dir, "flows.csv")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := exporters.Append(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := NewCSV(f, flow.ToMillis, []string{"flowId"})
	if err != nil {
		t.Fatal(err)
	}
	write := func(id uint64) {
		t.Helper()
		r := conversation("10.1.2.3:40000", "192.0.2.80:443")
		r.FlowID = id
		if err := c.Export(batch(r)); err != nil {
			t.Fatal(err)
		}
	}
	write(1)
	if err := c.Reopen(); err != nil {
		t.Error(err)
	}
	write(2)
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := c.Reopen(); err == nil {
		t.Error("a folder that is gone is no mistake")
	}
	write(3)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("flowId\n0000000000000000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Reopen(); err != nil {
		t.Error(err)
	}
	write(4)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	for file, want := range map[string]string{
		filepath.Join(dir+".away", "flows.csv"): "flowId\n0000000000000001\n0000000000000002\n0000000000000003\n",
		path:                                    "flowId\n0000000000000000\n0000000000000004\n",
	} {
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s: %v\n%s", file, err, got)
		}
	}
}
