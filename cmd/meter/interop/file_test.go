//go:build integration

package interop

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"flowmeter/meter/lab"
)

// ipfixFile is an IPFIX file, which `meter collect`, tshark and ipfixDump read
// afterwards.
func ipfixFile(t *testing.T, biflow string) watcher {
	path := filepath.Join(t.TempDir(), "flows.ipfix")
	return watcher{"file " + biflow, path, nil, func(t *testing.T, trace string, truth []record) {
		want := expected("file", biflow, truth)
		var messages int
		t.Run("collect", func(t *testing.T) {
			status, stdout, stderr := runMeter(t, "collect", path)
			if status != 0 {
				t.Errorf("meter collect: exit status %d", status)
			}
			fmt.Sscanf(stderr, "IPFIX: %d messages", &messages)
			checkCollected(t, "file "+biflow+" collect", trace, stderr, parseRecords(t, stdout), want)
		})
		t.Run("ipfixDump", func(t *testing.T) {
			text := lab.Output(t, "ipfixDump", "--rfc5610", "--in", path)
			compare(t, "file "+biflow+" ipfixDump", trace, dumpAccount(t, text), forFields("ipfix", biflow, truth))
			if n := fmt.Sprintf("*** File Stats: %d Messages,", messages); !strings.Contains(text, n) {
				t.Errorf("ipfixDump does not say %q", n)
			}
			if strings.Contains(text, "alien") {
				t.Error("ipfixDump could not name a field of the meter's own by the types told")
			}
		})
		t.Run("tshark", func(t *testing.T) {
			a, n := dissect(t, path, "ipfix", biflow)
			compare(t, "file "+biflow+" tshark", trace, a, forTshark("ipfix", biflow, truth))
			if n != messages {
				t.Errorf("tshark found %d messages, meter collect %d", n, messages)
			}
		})
	}}
}

// dumpField is a line of ipfixDump, as "(29305/1) reverseOctetDeltaCount : 40".
var dumpField = regexp.MustCompile(`^\t\([0-9/]+\)[ S()]* (\w+) : (.*)$`)

// dumpAccount reads what ipfixDump prints.
func dumpAccount(t *testing.T, text string) account {
	t.Helper()
	a := account{}
	var values map[string]string
	add := func() {
		if values["packetDeltaCount"] != "" {
			addFields(t, a, values)
		}
		values = nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "---") || strings.HasPrefix(line, "***") {
			add()
			values = map[string]string{}
		}
		if m := dumpField.FindStringSubmatch(line); m != nil {
			values[m[1]] = m[2]
		}
	}
	add()
	return a
}
