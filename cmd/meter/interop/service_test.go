//go:build integration

package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowmeter/meter/lab"
)

// writeFile writes a file into a folder of the test and returns its path.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSystemd runs the service as systemd does: with a socket to notify, a
// watchdog and a journal. Systemd itself need not run for that.
func TestSystemd(t *testing.T) {
	path, _ := fifo(t)
	socket := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	port := lab.FreePort(t, "tcp")
	conf := writeFile(t, "meter.yaml", fmt.Sprintf("meter: {inputs: [{traces: [%q]}]}\nlog: {format: journal}\n", path))
	cmd := exec.Command(meter, "run", "-c", conf, "--web.listen-address", lab.Local(port))
	cmd.Env = []string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=1000000"}
	p := lab.StartCommand(t, cmd)

	fed := notified(t, manager, "READY=1\nSTATUS=")
	if _, err := lab.Get("http://" + lab.Local(port) + "/-/ready"); err != nil {
		t.Error("not ready when systemd is told so:", err)
	}
	for begun := time.Now(); fed < 3; fed++ {
		notified(t, manager, "WATCHDOG=1")
		if time.Since(begun) > 3*time.Second {
			t.Error("the watchdog would have bitten")
		}
	}
	p.Signal(syscall.SIGTERM)
	notified(t, manager, "STOPPING=1")
	if status := p.Wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	for line := range strings.Lines(p.Log.String()) {
		if !regexp.MustCompile(`^<[3467]>msg=`).MatchString(line) {
			t.Errorf("not for the journal: %s", line)
		}
	}
	if !strings.Contains(p.Log.String(), `<6>msg="serving metrics" url=http://`+lab.Local(port)) {
		t.Errorf("log:\n%s", p.Log.String())
	}
}

// notified waits for a datagram that begins with want. Those of the watchdog
// may come in between: it returns how many.
func notified(t *testing.T, manager *net.UnixConn, want string) (fed int) {
	t.Helper()
	b := make([]byte, 4096)
	manager.SetReadDeadline(time.Now().Add(lab.Patience))
	for {
		n, err := manager.Read(b)
		if err != nil {
			t.Fatalf("waited in vain for %q: %v", want, err)
		}
		if strings.HasPrefix(string(b[:n]), want) {
			return fed
		}
		if string(b[:n]) != "WATCHDOG=1" {
			t.Errorf("systemd is told %q, want %q", b[:n], want)
		}
		fed++
	}
}

// TestSocketActivation hands over a socket, as systemd does.
func TestSocketActivation(t *testing.T) {
	path, _ := fifo(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // the socket lives on in the file
	conf := writeFile(t, "meter.yaml", fmt.Sprintf("meter: {inputs: [{traces: [%q]}]}\nweb: {systemd_socket: true}\n", path))
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`, "sh", meter, "run", "-c", conf)
	cmd.ExtraFiles = []*os.File{socket}
	p := lab.StartCommand(t, cmd)
	socket.Close()
	page, err := lab.Get("http://" + l.Addr().String() + "/metrics") // waits in the socket's queue
	if err != nil || !strings.Contains(page, "meter_build_info{") {
		t.Errorf("%v in %s\n%s", err, page, p.Log.String())
	}
	p.Signal(syscall.SIGTERM)
	if status := p.Wait(); status != 0 {
		t.Errorf("exit status %d\n%s", status, p.Log.String())
	}

	_, _, stderr := runMeter(t, "run", "-c", conf)
	if !strings.Contains(stderr, "systemd handed over no socket") {
		t.Errorf("without a socket: %s", stderr)
	}
}

// TestStatus compares /status with the balance that the same run prints.
func TestStatus(t *testing.T) {
	s := startService(t)
	trace, err := os.ReadFile(testdata + "office.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	feed(t, s.trace, trace)
	var got struct {
		Inputs []struct {
			Packets uint64
			Traces  []string
		}
		RuleSets []struct {
			Name     string
			Verdicts map[string]uint64
		}
		Exporters []struct {
			Name string
			Up   bool
		}
		Balance struct {
			Packets uint64
			Closes  bool
		}
	}
	if err := json.Unmarshal([]byte(s.get("/status")), &got); err != nil {
		t.Fatal(err)
	}
	s.trace.Close()
	if status := s.Wait(); status != 0 {
		t.Errorf("exit status %d\n%s", status, s.Log.String())
	}
	read := balanceRow(t, s.Out.String(), "read")
	if len(got.Inputs) != 1 || len(got.Inputs[0].Traces) != 1 || got.Inputs[0].Packets != read || got.Balance.Packets != read || !got.Balance.Closes {
		t.Errorf("%+v, %d packets were read", got, read)
	}
	if len(got.RuleSets) != 2 || got.RuleSets[0].Name != "conversations" || got.RuleSets[0].Verdicts["counted"] == 0 || len(got.Exporters) != 1 {
		t.Errorf("%+v", got)
	}
}

// TestScrapeOverTLS has a Prometheus scrape with a certificate and a password
// of its own.
func TestScrapeOverTLS(t *testing.T) {
	path, _ := fifo(t)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	selfSigned(t, in("cert.pem"), in("key.pem"))
	webConf := writeFile(t, "web.yml", fmt.Sprintf(`tls_server_config:
  cert_file: %[1]s
  key_file: %[2]s
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: %[1]s
basic_auth_users: {prometheus: %[3]q}
`, in("cert.pem"), in("key.pem"), hashOf(t, "secret")))
	if out, err := exec.Command(lab.Tool(t, "promtool"), "check", "web-config", webConf).CombinedOutput(); err != nil {
		t.Fatalf("promtool does not take the file either: %v\n%s", err, out)
	}
	port, promPort := lab.FreePort(t, "tcp"), lab.FreePort(t, "tcp")
	conf := writeFile(t, "meter.yaml", fmt.Sprintf("meter: {inputs: [{traces: [%q]}]}\nweb: {listen: %q, config_file: %q}\n", path, lab.Local(port), webConf))
	s := lab.Start(t, meter, "run", "-c", conf)
	lab.Eventually(t, "metrics are served", func() bool { return strings.Contains(s.Log.String(), "url=https://"+lab.Local(port)) })

	prom := writeFile(t, "prometheus.yml", fmt.Sprintf(`global: {scrape_interval: 1s}
scrape_configs:
  - job_name: allowed
    scheme: https
    tls_config: &tls {ca_file: %[1]s, cert_file: %[1]s, key_file: %[2]s}
    basic_auth: {username: prometheus, password: secret}
    static_configs: &at [{targets: [%[3]q]}]
  - job_name: wrong-password
    scheme: https
    tls_config: *tls
    basic_auth: {username: prometheus, password: guess}
    static_configs: *at
  - job_name: no-certificate
    scheme: https
    tls_config: {ca_file: %[1]s}
    basic_auth: {username: prometheus, password: secret}
    static_configs: *at
`, in("cert.pem"), in("key.pem"), lab.Local(port)))
	lab.Start(t, "prometheus", "--config.file="+prom, "--storage.tsdb.path="+in("data"), "--web.listen-address="+lab.Local(promPort))
	up := func(job string) string {
		answer, err := lab.Get("http://" + lab.Local(promPort) + "/api/v1/query?query=up%7Bjob%3D%22" + job + "%22%7D")
		if err != nil {
			return ""
		}
		m := regexp.MustCompile(`,"([01])"\]`).FindStringSubmatch(answer)
		if m == nil {
			return ""
		}
		return m[1]
	}
	for job, want := range map[string]string{"allowed": "1", "wrong-password": "0", "no-certificate": "0"} {
		lab.Eventually(t, job+" is up: "+want, func() bool { return up(job) == want })
	}
	s.Signal(syscall.SIGTERM)
	if status := s.Wait(); status != 0 {
		t.Error(errors.New(s.Log.String()))
	}
}
