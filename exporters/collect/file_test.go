package collect

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// collectFile runs a Collector over a file of the given octets and returns its
// lines, what it told, its account and its error.
func collectFile(t *testing.T, file string) (lines string, told []string, s Stats, err error) {
	t.Helper()
	cfg := Default()
	cfg.Log = func(err error) { told = append(told, strings.TrimPrefix(err.Error(), file+": ")) }
	var out bytes.Buffer
	c, err := Open(cfg, file, &out)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Run(context.Background())
	return out.String(), told, c.Stats(), err
}

func writeFile(t *testing.T, parts ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "flows.ipfix")
	if err := os.WriteFile(file, unhex(t, strings.Join(parts, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestFile(t *testing.T) {
	bad := newMessage(3, 1).set(4).hex() // framed right, with a reserved set
	for _, test := range []struct {
		name    string
		parts   []string
		records int
		told    []string
		err     string
	}{
		{"two messages", []string{rfc7011, b3ipfix}, 6, nil, ""},
		{"empty", nil, 0, nil, ""},
		{"checksum", []string{rfc5655}, 1, nil, ""},
		{"malformed between", []string{rfc7011, bad, b3ipfix}, 6, []string{"message at octet 152: malformed at octet 16: set id 4 is reserved"}, ""},
		{"rubbish between", []string{rfc7011, "0102030405", b3ipfix}, 6, []string{"octets 152 to 156 are no message"}, ""},
		{"rubbish like a header", []string{rfc7011, "ff000a001400", b3ipfix}, 6, []string{"octets 152 to 157 are no message"}, ""},
		{"rubbish at the end", []string{b3ipfix, "000a00"}, 1, []string{"octets 52 to 54 are no message"}, ""},
		{"cut", []string{b3ipfix, rfc7011[:200]}, 1, nil, "message at octet 52 is cut: 100 of 152 octets"},
		{"of v9", []string{b3v9}, 0, []string{"octets 0 to 55 are no message"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := writeFile(t, test.parts...)
			lines, told, s, err := collectFile(t, file)
			if n := strings.Count(lines, "\n"); n != test.records {
				t.Errorf("%d records, want %d", n, test.records)
			}
			if fmt.Sprint(told) != fmt.Sprint(test.told) || s.Malformed != uint64(len(test.told)) {
				t.Errorf("told %q, want %q; %d malformed", told, test.told, s.Malformed)
			}
			if got := fmt.Sprint(err); err != nil && got != file+": "+test.err || err == nil && test.err != "" {
				t.Errorf("error %q, want %q", got, test.err)
			}
		})
	}
}

// TestFileMalformedAsPrinted: the second message of RFC 5655's example is
// malformed as printed (erratum 4306) and must be refused, the others not.
func TestFileMalformedAsPrinted(t *testing.T) {
	lines, told, s, err := collectFile(t, filepath.Join(vectorFiles(t), "rfc5655.ipfix"))
	if err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 || !strings.HasPrefix(told[0], "message at octet 160: malformed at octet ") || s.Malformed != 1 {
		t.Errorf("told %q", told)
	}
	if s.IPFIX.Messages < 1 || s.Checksums < 1 || !strings.Contains(lines, "messageMD5Checksum") {
		t.Errorf("%s%s", lines, s.Summary())
	}
}

func TestFilesOfVectors(t *testing.T) {
	for file, vector := range map[string]string{"a1.ipfix": "rfc7011-A", "m1.ipfix": "rfc5655-A5"} {
		lines, told, _, err := collectFile(t, filepath.Join(vectorFiles(t), file))
		if err != nil || told != nil {
			t.Errorf("%s: %v, told %q", file, err, told)
		}
		for _, v := range vectors {
			if v.name == vector && strings.Count(lines, "\n") != strings.Count(v.want, "\n")-1 {
				t.Errorf("%s:\n%s", file, lines)
			}
		}
	}
}

// TestTimeWindow: a file says within which time all its flows lie (RFC 5655
// §8.2).
func TestTimeWindow(t *testing.T) {
	window := layoutOf(300, 1, spec(0, 267, 1), spec(0, 265, 4), spec(0, 261, 4)) // in seconds
	flows := layoutOf(256, 0, spec(0, 152, 8), spec(0, 153, 8))
	flow := func(start, end uint64) []byte {
		return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, start), end)
	}
	body := func(lists ...[]byte) []byte { return bytes.Join(lists, nil) }
	m := newMessage(0, 1).set(optionsSet, window...).set(templateSet, flows...).
		set(300, 0, 0, 0, 0, 100, 0, 0, 0, 200).
		set(256, body(flow(100_000, 200_999), flow(99_999, 150_000), flow(150_000, 201_000), flow(150_000, 150_000))...)
	_, _, s, err := collectFile(t, writeFile(t, m.hex()))
	if err != nil || s.OutsideWindow != 2 {
		t.Errorf("%d flows outside, %v", s.OutsideWindow, err)
	}
}
