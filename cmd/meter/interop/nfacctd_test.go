//go:build integration

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowmeter/meter/lab"
)

// nfacctdConf has pmacct's collector print sums of everything that it can tell
// apart when it ends.
const nfacctdConf = `daemonize: false
nfacctd_ip: 127.0.0.1
nfacctd_port: %d
nfacctd_pipe_size: 8000000
plugins: print[x]
aggregate[x]: src_host,dst_host,src_port,dst_port,proto,timestamp_start,timestamp_end
print_num_protos: true
timestamps_utc: true
plugin_pipe_size: 16000000
plugin_buffer_size: 16000
print_cache_entries[x]: 1021
print_refresh_time[x]: 3600
print_output[x]: json
print_output_file[x]: %s
print_output_file_append[x]: true
`

// nfacctd starts pmacct's collector.
func nfacctd(t *testing.T, format string) watcher {
	return watch(t, "nfacctd", func() watcher {
		dir, port := t.TempDir(), lab.FreePort(t, "udp")
		conf, result := filepath.Join(dir, "nfacctd.conf"), filepath.Join(dir, "flows.json")
		if err := os.WriteFile(conf, fmt.Appendf(nil, nfacctdConf, port, result), 0o600); err != nil {
			t.Fatal(err)
		}
		p := lab.Start(t, "nfacctd", "-f", conf)
		p.Listens(port)
		lab.Eventually(t, "nfacctd's plugin is ready", func() bool { return strings.Contains(p.Log.String()+p.Out.String(), "JSON: setting object handlers") })
		name := format + " split nfacctd"
		end := func() { p.Drained(port); p.Signal(syscall.SIGINT) }
		return watcher{name, format + "://" + lab.Local(port), end, func(t *testing.T, trace string, truth []record) {
			p.Wait()
			log := p.Log.String() + p.Out.String()
			for line := range strings.Lines(log) {
				if strings.Contains(line, "WARN") || strings.Contains(line, "ERROR") {
					t.Errorf("nfacctd says: %s", line)
				}
			}
			lab.Eventually(t, "nfacctd writes its sums", func() bool {
				_, err := os.Stat(result)
				return err == nil
			})
			compare(t, name, trace, nfacctdAccount(t, readRecords(t, result)), forNfacctd(format, truth))
		}}
	})
}

func nfacctdAccount(t *testing.T, lines []record) account {
	a := account{}
	for _, r := range lines {
		text := func(name string) string { s, _ := r[name].(string); return s }
		w := way{src: address(t, text("ip_src")), dst: address(t, text("ip_dst")), proto: number(t, text("ip_proto"))}
		trim := func(s string) string { return strings.TrimSuffix(s, "000") } // µs
		key := w.key(r.number("port_src"), r.number("port_dst"), trim(text("timestamp_start")), trim(text("timestamp_end")), 0)
		a.add(key, sums{packets: r.number("packets"), octets: r.number("bytes")})
	}
	return a
}

// forNfacctd is what nfacctd should say of the records. It reckons times of v5
// and v9 in whole seconds before the export time, so that they are rounded up,
// and knows no ports of SCTP in v5. TCP flags are no part of the comparison: it
// joins those of flows that it cannot tell apart, and of the two octets that
// IPFIX has for them it reads the first.
func forNfacctd(format string, truth []record) account {
	a := account{}
	for _, r := range truth {
		for _, w := range r.ways() {
			if format == "netflow5" && !w.src.Is4() {
				continue
			}
			if w.isICMP && format != "ipfix" {
				w.dstPort = w.icmp
			}
			if w.proto == 132 && format == "netflow5" {
				w.srcPort, w.dstPort = 0, 0
			}
			if format != "ipfix" {
				w.start, w.end = roundUp(w.start), roundUp(w.end)
			}
			a.add(w.key(w.srcPort, w.dstPort, stamp(w.start), stamp(w.end), 0), sums{packets: w.packets, octets: w.octets})
		}
	}
	return a
}

// roundUp returns the next whole second.
func roundUp(at time.Time) time.Time {
	if whole := at.Truncate(time.Second); whole != at {
		return whole.Add(time.Second)
	}
	return at
}

func number(t *testing.T, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
