//go:build integration

package deploy

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"flowmeter/meter/lab"
)

// nobody is a user without any rights of his own.
const nobody = 65534

// configure writes a configuration of testdata with its variables set, and
// returns its path.
func configure(t *testing.T, name string, values map[string]string) string {
	t.Helper()
	src := text(t, "deploy/testdata/"+name)
	conf := os.Expand(src, func(key string) string {
		value, found := values[key]
		if !found {
			t.Fatalf("%s: ${%s} is not set", name, key)
		}
		return value
	})
	path := filepath.Join(open(t), name)
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// open returns a folder that everybody may look into.
func open(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// execStart returns the command of the unit, run from a root.
func execStart(t *testing.T, r root, config string) []string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindStringSubmatch(text(t, "deploy/systemd/meter.service"))
	args := strings.Fields(m[1])
	args[0] = r.path(args[0])
	for i, a := range args {
		if a == "/etc/meter/config.yaml" {
			args[i] = config
		}
	}
	return args
}

// asGuest puts before a command what gives it a user without rights, and
// CAP_NET_RAW alone, as the unit does.
func asGuest(t *testing.T, command []string) []string {
	id := strconv.Itoa(nobody)
	return append([]string{lab.Tool(t, "setpriv"), "--reuid", id, "--regid", id, "--clear-groups", "--no-new-privs",
		"--bounding-set=-all,+net_raw", "--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw"}, command...)
}

// feed is a trace that comes packet by packet, again and again, through a pipe
// that can be held. Who opens the pipe anew gets the trace from its beginning.
type feed struct {
	path  string
	held  atomic.Bool
	ended atomic.Bool
}

// newFeed sends the packets of a pcap file of testdata, up to a thousand a
// second, until the test ends.
func newFeed(t *testing.T, trace string) *feed {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("../testdata", trace))
	if err != nil {
		t.Fatal(err)
	}
	f := &feed{path: filepath.Join(open(t), "trace")}
	if err := unix.Mkfifo(f.path, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.ended.Store(true)
		if reader, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err == nil {
			reader.Close() // a writer that still waits for one goes on, and ends
		}
	})
	go func() {
		for !f.ended.Load() {
			f.serve(src)
		}
	}()
	return f
}

// serve waits for a reader and sends it the header of the file once, and its
// packets in a circle.
func (f *feed) serve(src []byte) {
	const fileHeader, packetHeader = 24, 16
	pipe, err := os.OpenFile(f.path, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer pipe.Close()
	_, err = pipe.Write(src[:fileHeader])
	for at := fileHeader; err == nil && !f.ended.Load(); time.Sleep(time.Millisecond) {
		if f.held.Load() {
			continue
		}
		end := at + packetHeader + int(binary.LittleEndian.Uint32(src[at+8:]))
		now := time.Now() // as if it came from an interface
		binary.LittleEndian.PutUint32(src[at:], uint32(now.Unix()))
		binary.LittleEndian.PutUint32(src[at+4:], uint32(now.Nanosecond()/1000))
		_, err = pipe.Write(src[at:end])
		if at = end; at == len(src) {
			at = fileHeader
		}
	}
}

var packetsRead = regexp.MustCompile(`(?m)^meter_packets_read_total\{.*\} (\d+)$`)

// TestGuest runs the unit's command from where the deb was unpacked, with the
// rights that the unit gives it.
func TestGuest(t *testing.T) {
	lab.NeedRoot(t)
	r, listen, state := unpacked(t), lab.Local(lab.FreePort(t, "tcp")), open(t)
	if err := os.Chown(state, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	config := configure(t, "guest.yaml", map[string]string{"TRACE": newFeed(t, "http-tls.pcap").path, "STATE": state, "LISTEN": listen})
	p := lab.Start(t, asGuest(t, execStart(t, r, config))...)
	lab.Eventually(t, "packets are read", func() bool {
		metrics, _ := lab.Get("http://" + listen + "/metrics")
		m := packetsRead.FindStringSubmatch(metrics)
		return m != nil && len(m[1]) >= 3
	})
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{
		"Uid": "65534\t65534\t65534\t65534", "Groups": "", "NoNewPrivs": "1",
		"CapPrm": "0000000000002000", "CapEff": "0000000000002000", "CapBnd": "0000000000002000",
	} {
		m := regexp.MustCompile(`(?m)^` + field + `:[ \t]*(.*?)[ \t]*$`).FindSubmatch(status)
		if m == nil || string(m[1]) != want {
			t.Errorf("%s of the process is %q, not %q", field, m[1], want)
		}
	}
	p.Signal(syscall.SIGTERM)
	if exit := p.Wait(); exit != 0 {
		t.Errorf("exit status %d: %s", exit, p.Log.String())
	}
	if flows, err := os.ReadFile(filepath.Join(state, "flows.jsonl")); err != nil || strings.Count(string(flows), "\n") == 0 {
		t.Errorf("no records: %v", err)
	}
}
