package web

import (
	"flag"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden file anew")

// TestStatus compares /status with a golden file: others read these names.
func TestStatus(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 53, 55, 0, time.UTC)
	h := all()
	h.Status = func() any {
		return Status{
			Name: "edge-1", Version: "1.0", Started: at,
			Inputs: []InputStatus{
				{Name: "eth0", State: Running, Interfaces: []InterfaceStatus{{"eth0", 2, true, 90, 1}, {"eth1", 3, false, 10, 0}}, Packets: 100, Octets: 9000, Filtered: 3, Decoded: map[string]uint64{"ok": 96, "not_ip": 1}},
				{Name: "traces1", State: Draining, Traces: []string{"/var/traces/*.pcap"}, Decoded: map[string]uint64{}},
			},
			RuleSets:  []RuleSetStatus{{Name: "default", Flows: 5, MaxFlows: 1000, Created: 9, Ended: map[string]uint64{"idle": 4}, Verdicts: map[string]uint64{"counted": 96, "ignored": 1}, Overload: "standby"}},
			Exporters: []ExporterStatus{{Name: "ipfix <a>", State: Running, Up: true, Records: 4, Octets: 512, Resent: 1, Dropped: map[string]uint64{"queue_full": 0}, Queued: 2, Spool: &SpoolStatus{Octets: 1 << 20, Limit: 1 << 30, Records: 77, Oldest: &at}}, {Name: "csv", State: Waiting, Dropped: map[string]uint64{}}},
			Reload:    &ReloadStatus{Time: at, Error: "c.yaml:1:1: unknown key"},
			Balance:   BalanceStatus{Packets: 100, Closes: true},
		}
	}
	_, got := ask(t, http.DefaultClient, "GET", serve(t, Config{}, h)+"/status")
	const golden = "testdata/status.json"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("/status (-want +got):\n%s", diff)
	}
}
