package collect

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"
)

// FuzzDecode: no message makes the decoder panic or run away, and each record
// is a line of JSON. The messages follow on one another, cut by the file
// reader, so that templates meet data.
func FuzzDecode(f *testing.F) {
	for _, v := range vectors {
		f.Add(unhex(f, v.message))
	}
	rng := rand.New(rand.NewPCG(9, 9))
	for range 20 {
		f.Add(bytes.Join(randomMessages(rng, false), nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg := Default()
		cfg.MaxFields = 1000
		d := NewDecoder(cfg)
		check := func(recs []Record) error {
			checkRecords(t, recs, len(data))
			return nil
		}
		recs, _ := d.Decode("x", data)
		_ = check(recs)
		_ = d.readFile("x", bytes.NewReader(data), check)
		in := bytes.NewReader(data)
		for msg := make([]byte, largest); ; {
			n, err := readMessage(in, msg)
			if err != nil {
				break
			}
			recs, _ := d.Decode("x", msg[:n])
			_ = check(recs)
		}
		if d.kept < 0 || d.kept > cfg.MaxFields {
			t.Fatalf("%d fields are kept", d.kept)
		}
	})
}

// checkRecords: a message of n octets holds at most 2n fields (see
// newTemplate), and what it holds can be printed.
func checkRecords(t *testing.T, recs []Record, n int) {
	t.Helper()
	fields := 0
	for i := range recs {
		fields += len(recs[i].Fields)
		if line := recs[i].AppendJSON(nil); !json.Valid(line) {
			t.Fatalf("no JSON: %q", line)
		}
	}
	if recs != nil && recs[0].Version != 5 && fields > 2*n {
		t.Fatalf("%d fields of %d octets", fields, n)
	}
}

func BenchmarkDecode(b *testing.B) {
	msg := unhex(b, rfc7011)
	d := NewDecoder(Default())
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode("x", msg); err != nil {
			b.Fatal(err)
		}
	}
}
