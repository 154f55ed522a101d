package exporters

import (
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flowmeter/exporters/internal/sample"
)

// secured is a collector that keeps what it reads.
type secured struct {
	net.Listener
	got chan string
}

func listenTLS(t *testing.T, cfg *tls.Config) *secured {
	t.Helper()
	s := &secured{Listener: tls.NewListener(listen(t, "127.0.0.1:0"), cfg), got: make(chan string, 10)}
	go func() {
		for {
			conn, err := s.Accept()
			if err != nil {
				return
			}
			go func() {
				b, _ := io.ReadAll(conn)
				conn.Close()
				if len(b) > 0 {
					s.got <- string(b)
				}
			}()
		}
	}()
	return s
}

// client has a certificate of ca for itself and trusts trusted.
func client(t *testing.T, ca, trusted *sample.CA) *TLS {
	t.Helper()
	dir := t.TempDir()
	c := &TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), CA: trusted.File}
	ca.Issue(c.Cert, c.Key, "meter")
	return c
}

// try connects once, sends a message and ends the connection.
func try(address string, c *TLS) error {
	tcp := NewTCP(LineConfig{Address: address, TLS: c, GiveUp: time.Millisecond, MaxWait: time.Millisecond})
	if err := tcp.Connect(); err != nil {
		return err
	}
	if err := tcp.Send([]byte("hello")); err != nil {
		return err
	}
	return tcp.Finish(5 * time.Second)
}

// TestTLSRefusals has everything that can be wrong between two sides, with
// what a user is told about it.
func TestTLSRefusals(t *testing.T) {
	ours, theirs := sample.NewCA(t), sample.NewCA(t)
	old := theirs.Server(ours, "127.0.0.1")
	old.MaxVersion = tls.VersionTLS11
	v12 := theirs.Server(ours, "127.0.0.1")
	v12.MaxVersion = tls.VersionTLS12
	for _, tc := range []struct {
		name   string
		server *tls.Config
		edit   func(*TLS)
		want   string // "" : it works
	}{
		{"both verified", theirs.Server(ours, "127.0.0.1"), nil, ""},
		{"TLS 1.2", v12, nil, ""},
		{"another name", theirs.Server(ours, "collector.example"), nil, "server_name"},
		{"the name told", theirs.Server(ours, "collector.example"), func(c *TLS) { c.ServerName = "collector.example" }, ""},
		{"another authority", ours.Server(ours, "127.0.0.1"), nil, "the key ca"},
		{"TLS 1.1", old, nil, "protocol version"},
		{"our certificate refused", theirs.Server(theirs, "127.0.0.1"), nil, "may not trust our certificate"},
		{"no certificate of ours", theirs.Server(ours, "127.0.0.1"), func(c *TLS) { c.Cert, c.Key = "", "" }, "may want a certificate of ours"},
		{"none wanted", theirs.Server(nil, "127.0.0.1"), func(c *TLS) { c.Cert, c.Key = "", "" }, ""},
		{"key missing", theirs.Server(ours, "127.0.0.1"), func(c *TLS) { c.Key += "x" }, "no such file"},
		{"ca is no certificate", theirs.Server(ours, "127.0.0.1"), func(c *TLS) { c.CA = c.Key }, "no certificate in it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := listenTLS(t, tc.server)
			c := client(t, ours, theirs)
			if tc.edit != nil {
				tc.edit(c)
			}
			err := try(s.Addr().String(), c)
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Fatalf("got %v, want %q", err, tc.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := <-s.got; got != "hello" {
				t.Errorf("collector got %q", got)
			}
		})
	}
}

func TestTLSAgainstPlain(t *testing.T) {
	ca := sample.NewCA(t)
	l := listen(t, "127.0.0.1:0")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("220 collector.example ESMTP\r\n"))
			go io.Copy(io.Discard, c)
		}
	}()
	if err := try(l.Addr().String(), client(t, ca, ca)); err == nil || !strings.Contains(err.Error(), "does not speak TLS") {
		t.Error(err)
	}
}

// TestTLSFilesRenewed has a collector that refuses until our files are other
// ones, all while the exporter runs.
func TestTLSFilesRenewed(t *testing.T) {
	before, after := sample.NewCA(t), sample.NewCA(t)
	s := listenTLS(t, after.Server(after, "127.0.0.1"))
	c := client(t, before, after)
	failed := make(chan error, 100)
	tcp := NewTCP(LineConfig{Address: s.Addr().String(), TLS: c, MaxWait: 100 * time.Millisecond, Failed: func(err error) { failed <- err }})
	connected := make(chan error, 1)
	go func() { connected <- tcp.Connect() }()
	if err := <-failed; !strings.Contains(err.Error(), "unknown certificate authority") {
		t.Fatal(err)
	}
	after.Issue(c.Cert, c.Key, "meter")
	select {
	case err := <-connected:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the renewed certificate was not used")
	}
	if err := tcp.Send([]byte("renewed")); err != nil {
		t.Fatal(err)
	}
	if err := tcp.Finish(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	if got := <-s.got; got != "renewed" {
		t.Errorf("collector got %q", got)
	}
}

func TestTLSValidate(t *testing.T) {
	for _, c := range []TLS{{Cert: "a"}, {Key: "a"}} {
		if c.Validate() == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	if err := (&TLS{Cert: "a", Key: "b"}).Validate(); err != nil {
		t.Error(err)
	}
}

// TestUnacknowledgedAfterReset asks how much was not acknowledged of a
// connection that the collector has reset.
func TestUnacknowledgedAfterReset(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	accepted := make(chan *net.TCPConn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			c.(*net.TCPConn).SetReadBuffer(4096)
			accepted <- c.(*net.TCPConn)
		}
	}()
	tcp := NewTCP(LineConfig{Address: l.Addr().String(), MaxWait: time.Second})
	if err := tcp.Connect(); err != nil {
		t.Fatal(err)
	}
	peer := <-accepted
	sent := make(chan int, 1)
	go func() {
		n := 0
		for msg := make([]byte, 16<<10); tcp.Send(msg) == nil; n += len(msg) {
		}
		sent <- n
	}()
	time.Sleep(300 * time.Millisecond) // it is stuck now
	peer.SetLinger(0)
	peer.Close()
	n := <-sent
	if u := tcp.Unacknowledged(); u < 64<<10 || u > n+16<<10 {
		t.Errorf("%d of %d octets not acknowledged", u, n)
	}
}
