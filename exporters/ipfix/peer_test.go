package ipfix

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/sample"
)

// TestMain is also the main of child processes: a collector that can be
// stopped and killed, and an exporter that can be killed.
func TestMain(m *testing.M) {
	switch os.Getenv("METER_TEST_CHILD") {
	case "collector":
		childCollector()
	case "exporter":
		childExporter()
	default:
		os.Exit(m.Run())
	}
}

// childCollector keeps what each connection brings in a file of its own:
// session-1, session-2, … It ends every connection as soon as the other side
// does.
func childCollector() {
	lc := net.ListenConfig{Control: smallBuffer} // so that few records fill it
	l, err := lc.Listen(context.Background(), "tcp", os.Getenv("METER_TEST_ADDRESS"))
	exitIf(err)
	if dir := os.Getenv("METER_TEST_CERTS"); dir != "" {
		l = tls.NewListener(l, childTLS(dir))
	}
	dir := os.Getenv("METER_TEST_DIR")
	limit, err := strconv.ParseInt(os.Getenv("METER_TEST_LIMIT"), 10, 64)
	exitIf(err)
	fmt.Println("listening")
	for {
		conn, err := l.Accept()
		exitIf(err)
		go func() {
			f, err := os.CreateTemp(dir, fmt.Sprintf("session-%020d-", time.Now().UnixNano()))
			exitIf(err)
			_, _ = io.Copy(f, io.LimitReader(conn, limit)) // it ends how it ends
			if st, _ := f.Stat(); st.Size() == limit {
				select {} // it reads no more, and says nothing
			}
			conn.Close()
		}()
	}
}

func smallBuffer(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 256<<10) })
}

func childTLS(dir string) *tls.Config {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	exitIf(err)
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	exitIf(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
}

func exitIf(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// peer is a collector that runs in a process of its own, again and again.
type peer struct {
	t       testing.TB
	address string
	dir     string
	certs   string // empty: no TLS
	limit   int64  // octets of a connection that it reads; then it reads no more
	wrap    []string
	cmd     *exec.Cmd
}

// newPeer returns a collector at a free port that is not running yet, and the
// configuration of an exporter to it.
func newPeer(t testing.TB, secure bool) (*peer, Config) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := &peer{t: t, address: l.Addr().String(), dir: t.TempDir(), limit: 1 << 60}
	cfg := Default()
	cfg.Transport, cfg.Live, cfg.Address, cfg.Domain, cfg.Log = TCP, true, p.address, 7, quietLog()
	cfg.Spool.Dir = filepath.Join(t.TempDir(), "spool")
	if secure {
		ca := sample.NewCA(t)
		p.certs = filepath.Dir(ca.File)
		ca.Issue(filepath.Join(p.certs, "cert.pem"), filepath.Join(p.certs, "key.pem"), "127.0.0.1")
		cfg.Transport = TLS
		cfg.TLS = exporters.TLS{Cert: filepath.Join(p.certs, "cert.pem"), Key: filepath.Join(p.certs, "key.pem"), CA: ca.File}
	}
	t.Cleanup(func() { p.signal(syscall.SIGKILL) })
	return p, cfg
}

// run starts the collector and waits until it listens.
func (p *peer) run() {
	p.t.Helper()
	args := append(slices.Clone(p.wrap), os.Args[0])
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Env = append(os.Environ(), "METER_TEST_CHILD=collector", "METER_TEST_ADDRESS="+p.address, "METER_TEST_DIR="+p.dir,
		"METER_TEST_CERTS="+p.certs, "METER_TEST_LIMIT="+strconv.FormatInt(p.limit, 10))
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err == nil {
		_, err = io.ReadFull(out, make([]byte, len("listening\n")))
	}
	if err != nil {
		p.t.Fatal("collector: ", err)
	}
}

// signal sends a signal; SIGKILL also waits for the end.
func (p *peer) signal(s syscall.Signal) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(s) // it may have ended
	if s == syscall.SIGKILL {
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}

// sessions returns the whole messages of each connection, in order.
func (p *peer) sessions() (all [][]byte) {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "session-*"))
	if err != nil {
		p.t.Fatal(err)
	}
	slices.Sort(files)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			p.t.Fatal(err)
		}
		all = append(all, whole(b))
	}
	return all
}

// flows decodes what arrived, each connection as a session of its own, and
// returns how often each (flow id, piece) did, and in which order they came
// first.
func (p *peer) flows() (times map[flowPiece]int, order []flowPiece) {
	p.t.Helper()
	c := newCollector(p.t, streamMessage)
	for _, data := range p.sessions() {
		c.session()
		c.stream(data)
	}
	times = map[flowPiece]int{}
	for _, r := range c.records {
		f := flowPiece{r.uint(element{0, 148}), r.uint(element{DocumentationPEN, 3})}
		if times[f]++; times[f] == 1 {
			order = append(order, f)
		}
	}
	return times, order
}

// flowPiece is what tells duplicates.
type flowPiece struct{ id, piece uint64 }

// until waits for a condition.
func until(t testing.TB, what string, patience time.Duration, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

// onDisk lists the segments of a spool.
func onDisk(cfg Config) []string {
	files, _ := filepath.Glob(filepath.Join(cfg.Spool.Dir, "*.ipfix"))
	return slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, ".tmp") })
}
