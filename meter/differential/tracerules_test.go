//go:build integration

package differential

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"flowmeter/meter/capture"
	"flowmeter/meter/packet"
)

// A traceRule is a kind of trace that tshark or the meter does not read. With
// again the trace is put before tshark another way, else it is not compared.
type traceRule struct {
	name    string
	applies func(path string, got *metered, want *dissection) bool
	again   func(ts tshark, path string) (dissection, error)
}

// traceRules are gone through in this order for each trace.
var traceRules = []traceRule{
	{"(trace) a compression that tshark does not read: decompressed for it", foreignCompression, tshark.decompressed},
	{"(trace) no trace to either", noTrace, nil},
	{"(trace) empty file: no trace to the meter, one without packets to tshark", emptyFile, nil},
	{"(trace) link type that neither reads: tshark refuses the trace", foreignTrace, nil},
}

// decompressors are the programs for what tshark does not decompress, by the
// first octets of the file.
var decompressors = []struct{ magic, program string }{
	{"BZh", "bzip2"},
	{"\xfd7zXZ\x00", "xz"},
}

// decompressor returns the program that decompresses a file for tshark.
func decompressor(path string) (program string) {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for _, d := range decompressors {
		if bytes.HasPrefix(data, []byte(d.magic)) {
			return d.program
		}
	}
	return ""
}

func foreignCompression(path string, _ *metered, want *dissection) bool {
	return strings.Contains(want.complaint, notUnderstood) && decompressor(path) != ""
}

// decompressed dissects what the file holds.
func (ts tshark) decompressed(path string) (d dissection, err error) {
	plain, err := os.CreateTemp(ts.config, "trace")
	if err != nil {
		return d, err
	}
	defer os.Remove(plain.Name())
	defer plain.Close()
	cmd := exec.Command(decompressor(path), "-dc", path)
	cmd.Stdout = plain
	if err := cmd.Run(); err != nil {
		return d, err
	}
	return ts.dissect(plain.Name())
}

// What tshark says of files of no format that it reads.
const (
	notUnderstood = "isn't a capture file in a format TShark understands"
	damagedHeader = "appears to be damaged or corrupt"
)

func noTrace(_ string, got *metered, want *dissection) bool {
	refused := strings.Contains(want.complaint, notUnderstood) || strings.Contains(want.complaint, damagedHeader)
	return refused && len(want.rows) == 0 && errors.Is(got.failed, capture.ErrNotATrace)
}

func emptyFile(path string, got *metered, want *dissection) bool {
	st, err := os.Stat(path)
	return err == nil && st.Size() == 0 && want.whole() && len(want.rows) == 0 && errors.Is(got.failed, capture.ErrNotATrace)
}

var unknownLink = regexp.MustCompile(`network type \d+ unknown or unsupported`)

func foreignTrace(_ string, got *metered, want *dissection) bool {
	return unknownLink.MatchString(want.complaint) && len(want.rows) == 0 &&
		got.totals.Outcomes[packet.Unsupported] == got.totals.Read
}
