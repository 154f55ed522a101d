package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

const traces = "../../testdata/"

// meterRun runs the program in this process.
func meterRun(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(args, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

// golden compares text with a file of cmd/meter/testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what the program prints (-want +got):\n%s", path, diff)
	}
}

// TestOutput compares what the program prints, and its exit status, with
// golden files.
func TestOutput(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		args   []string
	}{
		{"read", exitOK, []string{"read", "--top", "5", traces + "http-tls.pcap"}},
		{"read-json", exitOK, []string{"read", "-o", "-", "--top", "0", traces + "dns.pcap.zst"}},
		{"read-csv", exitOK, []string{"read", "-q", "-o", "csv:-", traces + "ping-traceroute.pcap"}},
		{"read-fragments", exitOK, []string{"read", "--sort", "packets", traces + "fragments.pcap"}},
		{"read-perimeter", exitOK, []string{"read", "-q", "--orient", "perimeter", "--home", "192.168.10.0/24", "-o", "csv:-", traces + "ssh.pcap"}},
		{"read-filter", exitOK, []string{"read", "--filter", "tcp.flags.reset", traces + "reset.pcap"}},
		{"read-count", exitOK, []string{"read", "--count", "10", "--top", "0", traces + "ssh.pcap"}},
		{"read-several", exitPartial, []string{"read", "--top", "0", traces + "ssh.pcap", traces + "damaged/*.pcap*z*", traces + "damaged/*.pcap", traces + "missing.pcap"}},
		{"read-merged", exitOK, []string{"read", "--top", "0", "--merge", traces + "ssh.pcap", traces + "dns.pcap"}},
		{"read-rules", exitOK, []string{"read", "--rules", "testdata/services.yaml", "-o", "-", "--top", "0", traces + "http-tls.pcap"}},
		{"check-example", exitOK, []string{"check", "-c", "../../config.example.yaml"}},
		{"check-mistakes", exitUsage, []string{"check", "-c", "testdata/mistakes.yaml"}},
		{"no-command", exitUsage, nil},
		{"unknown-flag", exitUsage, []string{"read", "--tpo", "5", traces + "ssh.pcap"}},
		{"tcpdump-flag", exitUsage, []string{"-r", traces + "ssh.pcap"}},
		{"tcpdump-read", exitUsage, []string{"read", "-r", traces + "ssh.pcap"}},
		{"check-no-inputs", exitOK, []string{"check", "-c", "testdata/no-inputs.yaml"}},
		{"softflowd-flag", exitUsage, []string{"run", "-i", "lo", "-t", "maxlife=60"}},
		{"flag-version", exitUsage, []string{"--version"}},
		{"collect-address", exitUsage, []string{"collect", "127.0.0.1:4739"}},
		{"bad-sort", exitUsage, []string{"read", "--sort", "octest", traces + "ssh.pcap"}},
		{"bad-output", exitUsage, []string{"read", "-o", "flows.xml", traces + "ssh.pcap"}},
		{"bad-collector", exitUsage, []string{"read", "-o", "ipfix://127.0.0.1", traces + "ssh.pcap"}},
		{"bad-filter", exitUsage, []string{"read", "--filter", "tcp.dstport = 80", traces + "ssh.pcap"}},
		{"bad-home", exitUsage, []string{"read", "--home", "10.0.0.0/33", traces + "ssh.pcap"}},
		{"run-without-inputs", exitUsage, []string{"run"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, stdout, stderr := meterRun(t, c.args...)
			if status != c.status {
				t.Errorf("exit status %d, want %d", status, c.status)
			}
			text := stdout
			if stderr != "" {
				text += "--- standard error\n" + stderr
			}
			golden(t, c.name+".txt", text)
		})
	}
}

// TestWorkersAndCache reads every trace in several ways that must not make a
// difference to a single octet of the output.
func TestWorkersAndCache(t *testing.T) {
	paths, err := filepath.Glob(traces + "*.pcap*")
	if err != nil || len(paths) == 0 {
		t.Fatal("no traces", err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, ".tsv") {
			continue
		}
		dir := t.TempDir()
		var first []string
		for _, workers := range []string{"1", "2", "4"} {
			var out []string
			for _, name := range []string{"f.jsonl", "f.ipfix", "f.csv"} {
				out = append(out, filepath.Join(dir, workers+name))
			}
			status, _, stderr := meterRun(t, "read", "-q", "--workers", workers, "--rules", "testdata/services.yaml",
				"-o", out[0], "-o", out[1], "-o", out[2], path)
			if status != exitOK {
				t.Fatalf("%s: status %d: %s", path, status, stderr)
			}
			if first == nil {
				first = out
				continue
			}
			for i := range out {
				compareFiles(t, path, first[i], out[i])
			}
		}
	}
}

// TestOutputsThatMustNotBe has outputs that would destroy something: nothing is
// written then.
func TestOutputsThatMustNotBe(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace.pcap")
	src, err := os.ReadFile(traces + "ssh.pcap")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(trace, src, 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "out")
	for _, c := range []struct {
		want    string
		outputs []string
	}{
		{"this is a trace that is to be read", []string{"csv:" + trace}},
		{"another output goes there already", []string{"csv:" + other, "jsonl:" + other}},
		{"another output goes there already", []string{"-", "csv:-"}},
	} {
		args := []string{"read", "-q", trace}
		for _, o := range c.outputs {
			args = append(args, "-o", o)
		}
		status, stdout, stderr := meterRun(t, args...)
		if status != exitUsage || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: status %d, %q, %q", c.outputs, status, stdout, stderr)
		}
		if _, err := os.Stat(other); err == nil {
			t.Errorf("%v: %s was written", c.outputs, other)
		}
	}
	if now, _ := os.ReadFile(trace); !bytes.Equal(now, src) {
		t.Error("the trace has changed")
	}
}

func compareFiles(t *testing.T, trace, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(x) == 0 || !bytes.Equal(x, y) {
		t.Errorf("%s: %s (%d octets) and %s (%d octets) differ, or are empty", trace, filepath.Base(a), len(x), filepath.Base(b), len(y))
	}
}

// TestJSONSums compares the sums of the JSON lines with the account printed.
func TestJSONSums(t *testing.T) {
	_, stdout, _ := meterRun(t, "read", "-q", "-o", "-", traces+"office.pcapng")
	packets, lines := 0, 0
	for line := range strings.Lines(stdout) {
		var r struct {
			PacketDeltaCount, ReversePacketDeltaCount int
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		packets += r.PacketDeltaCount + r.ReversePacketDeltaCount
		lines++
	}
	_, summary, _ := meterRun(t, "read", "--top", "0", traces+"office.pcapng")
	for line := range strings.Lines(summary) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "counted" {
			if want := strings.ReplaceAll(f[1], ",", ""); want != jsonNumber(packets) {
				t.Errorf("%d packets in %d JSON lines, %s counted", packets, lines, want)
			}
			return
		}
	}
	t.Error("the summary has no line \"counted\"")
}

func jsonNumber(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// TestMistakesTouchNothing: with status 2 nothing was started, so a file that
// another flag names keeps what it has.
func TestMistakesTouchNothing(t *testing.T) {
	const trace = "../../testdata/reset.pcap"
	kept := filepath.Join(t.TempDir(), "kept.jsonl")
	if err := os.WriteFile(kept, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mistake := range [][]string{{"-o", "what://x"}, {"--sort", "nothing"}, {"--idle", "2562047h"}, {"--max-flows", "2147483648"}} {
		status, _, stderr := meterRun(t, append([]string{"read", "-o", kept, trace}, mistake...)...)
		if status != exitUsage {
			t.Errorf("%q: exit status %d: %s", mistake, status, stderr)
		}
		if got, err := os.ReadFile(kept); err != nil || string(got) != "precious" {
			t.Errorf("%q: the file holds %q, %v", mistake, got, err)
		}
	}
}
