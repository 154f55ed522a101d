package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	next int64
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, next: 1}
	a.key = a.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

// sign writes a certificate and its key for 127.0.0.1 and returns its number.
func (a *authority) sign(certFile, keyFile string) int64 {
	a.t.Helper()
	a.next++
	key := a.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.next), Subject: pkix.Name{CommonName: "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	writePEM(a.t, certFile, "CERTIFICATE", der)
	writePEM(a.t, keyFile, "PRIVATE KEY", private)
	return a.next
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// client trusts the authority, shows the certificates given and opens a
// connection for each request.
func (a *authority) client(certs ...tls.Certificate) *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: pool, Certificates: certs},
	}}
}

// TestTLS serves over TLS, renews the certificate, then asks for certificates
// of clients, without a new start.
func TestTLS(t *testing.T) {
	a, dir := newAuthority(t), t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	first := a.sign(in("cert.pem"), in("key.pem"))
	config := "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"
	write(t, in("web.yml"), config)
	base := serve(t, Config{ConfigFile: in("web.yml")}, all())
	if !strings.HasPrefix(base, "https://") {
		t.Fatal(base)
	}
	serial := func() int64 {
		resp, body := ask(t, a.client(), "GET", base+"/metrics")
		if resp.StatusCode != 200 || body != "a_total 1\n" {
			t.Errorf("%s %q", resp.Status, body)
		}
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	if n := serial(); n != first {
		t.Errorf("certificate %d, want %d", n, first)
	}
	if resp, err := http.Get(base + "/metrics"); err == nil {
		t.Errorf("who does not know the authority gets %s", resp.Status)
	}
	if resp, err := http.Get("http" + strings.TrimPrefix(base, "https") + "/metrics"); err != nil || resp.StatusCode != 400 {
		t.Errorf("without TLS: %v, %v", resp, err)
	}
	if renewed := a.sign(in("cert.pem"), in("key.pem")); serial() != renewed {
		t.Error("the old certificate is shown")
	}

	writePEM(t, in("ca.pem"), "CERTIFICATE", a.cert.Raw)
	write(t, in("web.yml"), config+"  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n")
	if resp, err := a.client().Get(base + "/metrics"); err == nil {
		t.Errorf("without a certificate: %s", resp.Status)
	}
	a.sign(in("client.pem"), in("client.key"))
	known, err := tls.LoadX509KeyPair(in("client.pem"), in("client.key"))
	if err != nil {
		t.Fatal(err)
	}
	if resp, _ := ask(t, a.client(known), "GET", base+"/metrics"); resp.StatusCode != 200 {
		t.Errorf("with a certificate: %s", resp.Status)
	}
	other := newAuthority(t)
	other.sign(in("other.pem"), in("other.key"))
	unknown, err := tls.LoadX509KeyPair(in("other.pem"), in("other.key"))
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := a.client(unknown).Get(base + "/metrics"); err == nil {
		t.Errorf("with a certificate of another authority: %s", resp.Status)
	}
}

// TestBasicAuth changes the password, and then spoils the file, while the
// server runs: then it lets nobody in.
func TestBasicAuth(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	password := func(p string) {
		hash, err := bcrypt.GenerateFromPassword([]byte(p), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		write(t, file, fmt.Sprintf("basic_auth_users: {alice: %q}\n", hash))
	}
	password("first")
	base := serve(t, Config{ConfigFile: file, Control: true}, all())
	status := func(path, user, pass string) int {
		req, err := http.NewRequest("GET", base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			req.SetBasicAuth(user, pass)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for _, path := range []string{"/", "/metrics", "/status", "/flows", "/-/healthy"} {
		if got := status(path, "", ""); got != 401 {
			t.Errorf("%s without a name: %d", path, got)
		}
	}
	for _, c := range []struct {
		user, pass string
		want       int
	}{{"alice", "first", 200}, {"alice", "wrong", 401}, {"bob", "first", 401}} {
		if got := status("/metrics", c.user, c.pass); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.user, c.pass, got, c.want)
		}
	}
	password("second")
	if old, now := status("/metrics", "alice", "first"), status("/metrics", "alice", "second"); old != 401 || now != 200 {
		t.Errorf("after a change the old password gets %d, the new one %d", old, now)
	}
	write(t, file, "basic_auth_user: {}\n")
	if got := status("/metrics", "alice", "second"); got != 500 {
		t.Errorf("with a file that is wrong: %d", got)
	}
}

// TestErrorsOfClients has clients that fail, each from a port of its own: the
// message is the same for all, or else no limit on repetition would hold.
func TestErrorsOfClients(t *testing.T) {
	a, dir := newAuthority(t), t.TempDir()
	a.sign(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	file := filepath.Join(dir, "web.yml")
	write(t, file, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n")
	s, err := New(Config{Listen: []string{DefaultListen}, ConfigFile: file}, all(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var said said
	s.log, s.cfg.Listen = slog.New(&said), []string{"127.0.0.1:0"}
	listeners, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listeners) }()
	for range 3 {
		if _, err := http.Get(s.URLs(listeners)[0]); err == nil {
			t.Error("an unknown authority is trusted")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	said.mu.Lock()
	defer said.mu.Unlock()
	if said.messages["a client of the web server failed"] != 3 || len(said.messages) != 1 {
		t.Errorf("log: %v", said.messages)
	}
}

// said counts the messages of a log.
type said struct {
	slog.TextHandler
	mu       sync.Mutex
	messages map[string]int
}

func (s *said) Enabled(context.Context, slog.Level) bool { return true }

func (s *said) Handle(_ context.Context, r slog.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.messages == nil {
		s.messages = map[string]int{}
	}
	s.messages[r.Message]++
	return nil
}

// TestConfigGoneWrong has a web configuration that is wrong when the server
// starts, but was right when it was made.
func TestConfigGoneWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	write(t, file, "")
	s, err := New(Config{Listen: []string{DefaultListen}, ConfigFile: file}, all(), nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "tls_server_config: {cert_file: gone}\n")
	s.cfg.Listen = []string{"127.0.0.1:0", "127.0.0.1:0"}
	s.log = discard()
	listeners, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(t.Context(), listeners); err == nil || !strings.Contains(err.Error(), "key_file") {
		t.Errorf("%v", err)
	}
}
