//go:build integration

package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/netsampler/goflow2/v2/decoders/netflow"

	"flowmeter/meter/lab"
)

// scaledTraces are metered as two inputs: of the first one packet in 4, of the
// second all.
const scaledTraces = `
meter:
  inputs:
    - {name: a, traces: [../../../testdata/iperf3.pcap], sample: %d}
    - {name: b, traces: [../../../testdata/http-tls.pcap], sample: %d}
`

// both are the packets and octets of both directions together.
type both struct{ packets, octets uint64 }

// runSampled meters both inputs to an exporter and returns the sums of its
// records: as they are, and each times its samplingInterval.
func runSampled(t *testing.T, where, biflow string, a, b int) (plain, scaled both) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, scaledTraces, a, b), 0o600); err != nil {
		t.Fatal(err)
	}
	status, lines, log := runMeter(t, "run", "-c", config, "--biflow", biflow, "-o", where, "-o", "-")
	if status != 0 {
		t.Fatalf("exit status %d: %s", status, log)
	}
	for _, r := range parseRecords(t, lines) {
		if strings.HasPrefix(where, "netflow5") && r["sourceIPv4Address"] == nil {
			continue
		}
		n, seen := r.number("samplingInterval"), map[uint64]bool{uint64(a): true, uint64(b): true}
		if !seen[n] {
			t.Fatalf("samplingInterval is %d", n)
		}
		packets, octets := r.number("packetDeltaCount")+r.number("reversePacketDeltaCount"), r.number("octetDeltaCount")+r.number("reverseOctetDeltaCount")
		plain.packets, plain.octets = plain.packets+packets, plain.octets+octets
		scaled.packets, scaled.octets = scaled.packets+n*packets, scaled.octets+n*octets
	}
	return plain, scaled
}

// nearTruth: what was scaled is what is in the traces, within what chance does.
func nearTruth(t *testing.T, scaled both) {
	t.Helper()
	_, lines, _ := runMeter(t, "read", "-q", "-o", "-", "../../../testdata/iperf3.pcap", "../../../testdata/http-tls.pcap")
	var truth uint64
	for _, r := range parseRecords(t, lines) {
		truth += r.number("packetDeltaCount") + r.number("reversePacketDeltaCount")
	}
	if ratio := float64(scaled.packets) / float64(truth); ratio < 0.6 || ratio > 1.4 {
		t.Errorf("%d packets after scaling, %d in the traces", scaled.packets, truth)
	}
	t.Logf("%d packets after scaling, %d in the traces", scaled.packets, truth)
}

// samplings are the rates that collectors are told: one for all, and one for
// each input.
var samplings = [][2]int{{4, 4}, {4, 1}}

// TestSamplingNfcapd: nfdump shows the counts times the rate of each record's
// input.
func TestSamplingNfcapd(t *testing.T) {
	for _, format := range []string{"ipfix", "netflow9", "netflow5"} {
		for _, rates := range samplings {
			if format == "netflow5" && rates[0] != rates[1] {
				continue // nfcapd keeps the rate of the first packet of an exporter
			}
			t.Run(fmt.Sprint(format, rates), func(t *testing.T) {
				n := lab.StartNfcapd(t, "", lab.Local(lab.FreePort(t, "udp")))
				plain, want := runSampled(t, format+"://"+lab.Local(n.Port), "pair", rates[0], rates[1])
				n.Stop()
				if format != "ipfix" { // there it takes options for flows that were lost
					n.Check()
				}
				var got both
				for line := range strings.Lines(n.Flows("%ipkt %ibyt %opkt %obyt")) {
					f := strings.Fields(line)
					got.packets += number(t, f[0]) + number(t, f[2])
					got.octets += number(t, f[1]) + number(t, f[3])
				}
				if got != want {
					t.Errorf("nfdump shows %v, want %v (not scaled: %v)", got, want, plain)
				}
				if format != "netflow5" {
					nearTruth(t, got)
				}
			})
		}
	}
}

// nfacctdScales has pmacct's collector multiply by the rate that it was told.
const nfacctdScales = `daemonize: false
nfacctd_ip: 127.0.0.1
nfacctd_port: %d
nfacctd_pipe_size: 8000000
nfacctd_renormalize: true
plugins: print[x]
aggregate[x]: proto
plugin_pipe_size: 16000000
plugin_buffer_size: 16000
print_refresh_time[x]: 3600
print_output[x]: json
print_output_file[x]: %s
print_output_file_append[x]: true
`

// TestSamplingNfacctd: so does nfacctd.
func TestSamplingNfacctd(t *testing.T) {
	for _, format := range []string{"ipfix", "netflow9", "netflow5"} {
		for _, rates := range samplings {
			t.Run(fmt.Sprint(format, rates), func(t *testing.T) {
				dir, port := t.TempDir(), lab.FreePort(t, "udp")
				conf, result := filepath.Join(dir, "nfacctd.conf"), filepath.Join(dir, "flows.json")
				if err := os.WriteFile(conf, fmt.Appendf(nil, nfacctdScales, port, result), 0o600); err != nil {
					t.Fatal(err)
				}
				p := lab.Start(t, "nfacctd", "-f", conf)
				p.Listens(port)
				lab.Eventually(t, "nfacctd's plugin is ready", func() bool { return strings.Contains(p.Log.String()+p.Out.String(), "JSON: setting object handlers") })
				plain, want := runSampled(t, format+"://"+lab.Local(port), "split", rates[0], rates[1])
				p.Drained(port)
				p.Signal(syscall.SIGINT)
				p.Wait()
				lab.Eventually(t, "nfacctd writes its sums", func() bool {
					_, err := os.Stat(result)
					return err == nil
				})
				var got both
				for _, r := range readRecords(t, result) {
					got.packets, got.octets = got.packets+r.number("packets"), got.octets+r.number("bytes")
				}
				if got != want {
					t.Errorf("nfacctd shows %v, want %v (not scaled: %v)\n%s", got, want, plain, p.Log.String())
				}
			})
		}
	}
}

// TestSamplingOnTheWire: tshark finds nothing wrong in the options and reads
// the rate; goflow2 finds them in the very message before or with the first
// record of the input.
func TestSamplingOnTheWire(t *testing.T) {
	for format, shows := range map[string][]string{
		"ipfix":    {"Selector Algorithm", "Sampling Size: 1", "Sampling Population: 4"},
		"netflow9": {"Sampling interval: 4", "Sampling algorithm: Random sampling", "SamplerID: 1"},
		"netflow5": {"Random sampling mode", "SampleRate: 4"},
	} {
		r := &recorder{}
		port := r.open(t, "udp")
		runSampled(t, format+"://"+lab.Local(port), "pair", 4, 1)
		messages := r.all(t, "udp", port)
		path := t.TempDir() + "/export.pcap"
		writeDatagrams(t, path, messages)
		text := lab.Output(t, "tshark", "-r", path, "-V", "-d", "udp.port==4739,cflow")
		for _, want := range shows {
			if !strings.Contains(strings.ToLower(text), strings.ToLower(want)) {
				t.Errorf("%s: tshark does not say %q", format, want)
			}
		}
		for _, wrong := range []string{"Malformed", "Expert Info"} {
			if strings.Contains(text, wrong) {
				t.Errorf("%s: tshark: %s", format, wrong)
			}
		}
		if format != "netflow5" {
			told(t, format, messages)
		}
	}
}

// told checks that every record's selector was told before it, with its rate.
func told(t *testing.T, format string, messages [][]byte) {
	t.Helper()
	templates := netflow.CreateTemplateSystem()
	rates, records := map[uint64]uint64{}, map[uint64]int{}
	for _, msg := range messages {
		var v9 netflow.NFv9Packet
		var ipfix netflow.IPFIXPacket
		if err := netflow.DecodeMessageVersion(bytes.NewBuffer(msg), templates, &v9, &ipfix); err != nil {
			t.Fatal(err)
		}
		for _, set := range append(v9.FlowSets, ipfix.FlowSets...) {
			switch set := set.(type) {
			case netflow.OptionsDataFlowSet:
				for _, r := range set.Records {
					if id, ok := valueOf(r.OptionsValues, 302, 48); ok {
						rates[id], _ = valueOf(r.OptionsValues, 34, 34)
					}
				}
			case netflow.DataFlowSet:
				for _, r := range set.Records {
					id, ok := valueOf(r.Values, 302, 48)
					if !ok || rates[id] == 0 {
						t.Fatalf("%s: a record of selector %d, which nothing was said of", format, id)
					}
					records[id]++
				}
			}
		}
	}
	if rates[1] != 4 || rates[2] != 1 || records[1] == 0 || records[2] == 0 {
		t.Errorf("%s: rates %v, records %v", format, rates, records)
	}
}

// valueOf returns the number in the first field of one of two types.
func valueOf(fields []netflow.DataField, a, b uint16) (n uint64, found bool) {
	for _, f := range fields {
		if f.Type == a || f.Type == b {
			octets, _ := f.Value.([]byte)
			for _, o := range octets {
				n = n<<8 | uint64(o)
			}
			return n, true
		}
	}
	return 0, false
}

// TestSamplingCollect: meter collect prints what it was told.
func TestSamplingCollect(t *testing.T) {
	file := filepath.Join(t.TempDir(), "flows.ipfix")
	runSampled(t, file, "pair", 4, 1)
	_, lines, log := runMeter(t, "collect", file)
	var populations []float64
	for line := range strings.Lines(lines) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if n, ok := r["samplingPopulation"].(float64); ok {
			populations = append(populations, n)
			if r["selectorAlgorithm"] != 4.0 || r["samplingSize"] != 1.0 || r["samplingProbability"] != 1/n {
				t.Errorf("%s", line)
			}
		}
	}
	if len(populations) != 2 || populations[0] != 4 || populations[1] != 1 {
		t.Errorf("populations %v\n%s", populations, log)
	}
}
