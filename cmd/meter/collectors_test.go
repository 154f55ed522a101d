package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flowmeter/exporters"
	"flowmeter/meter"
	"flowmeter/meter/conf"
)

// built reads `exporters:` and builds what is in it for a live meter.
func built(t *testing.T, yaml string) (*outputs, error) {
	t.Helper()
	v, errs := conf.Parse("c.yaml", []byte(yaml))
	var x exporterSection
	v.Map(x.fields())
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	o := newOutputs(true, slog.New(slog.DiscardHandler))
	return o, x.build(o, &meter.Settings{ID: 7})
}

// TestGroups: the meter feeds a group where collectors share the records, and
// each collector where all get them; metrics show each collector.
func TestGroups(t *testing.T) {
	for _, tc := range []struct {
		yaml          string
		queues, feeds int
	}{
		{`{addresses: ["127.0.0.1:1", "127.0.0.1:2"]}`, 2, 2},
		{`{addresses: ["127.0.0.1:1", "127.0.0.1:2"], mode: all}`, 2, 2},
		{`{addresses: ["127.0.0.1:1", "127.0.0.1:2"], mode: failover}`, 2, 1},
		{`{addresses: ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"], mode: balance}`, 3, 1},
		{`{addresses: ["127.0.0.1:1"], mode: balance}`, 1, 1},
	} {
		for _, kind := range []string{"ipfix", "netflow9", "netflow5"} {
			o, err := built(t, "exporters: [{"+kind+": "+tc.yaml+"}]")
			if err != nil {
				t.Fatal(err)
			}
			if len(o.queues) != tc.queues || len(o.meterExporters()) != tc.feeds {
				t.Errorf("%s %s: %d queues, %d feeds", kind, tc.yaml, len(o.queues), len(o.feeds))
			}
			if name := o.queues[0].Name(); name != kind+" 127.0.0.1:1" {
				t.Errorf("named %q", name)
			}
			if _, group := o.feeds[0].(*exporters.Group); group != (tc.feeds < tc.queues) {
				t.Errorf("%s %s: fed is %T", kind, tc.yaml, o.feeds[0])
			}
		}
	}
}

// TestSpoolsApart: two exporters must not share a spool.
func TestSpoolsApart(t *testing.T) {
	dir := t.TempDir()
	spool := "transport: tcp, spool: {dir: " + dir + "}"
	_, err := built(t, `exporters: [{ipfix: {address: "127.0.0.1:1", `+spool+`}}, {ipfix: {address: "127.0.0.1:1", `+spool+`}}]`)
	if err == nil || !strings.Contains(err.Error(), "another exporter has its spool in "+filepath.Join(dir, "127.0.0.1_1")) {
		t.Error(err)
	}
	if _, err := built(t, `exporters: [{ipfix: {addresses: ["127.0.0.1:1", "127.0.0.1:2"], `+spool+`}}]`); err != nil {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Error("building has written to the disk")
	}
}

// selfSigned writes a certificate of 127.0.0.1 that vouches for itself, and
// its key.
func selfSigned(t *testing.T, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOutputTLS reads a trace to a collector that wants to see a certificate,
// and compares what arrives with what goes over TCP.
func TestOutputTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	selfSigned(t, cert, key)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	trusted, _ := os.ReadFile(cert)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(trusted)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	secure, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	var got [2][]byte
	for i, tc := range []struct {
		l     net.Listener
		where string
	}{
		{plain, fmt.Sprintf("ipfix+tcp://%s", plain.Addr())},
		{secure, fmt.Sprintf("ipfix+tls://%s?cert=%s&key=%s&ca=%s", secure.Addr(), cert, key, cert)},
	} {
		defer tc.l.Close()
		read := make(chan []byte, 1)
		go func() {
			conn, err := tc.l.Accept()
			if err != nil {
				return
			}
			b, _ := io.ReadAll(conn)
			conn.Close()
			read <- b
		}()
		if status, _, stderr := meterRun(t, "read", "-q", "-o", tc.where, "../../testdata/dns.pcap"); status != exitOK {
			t.Fatalf("%s: exit status %d: %s", tc.where, status, stderr)
		}
		got[i] = <-read
	}
	if len(got[0]) == 0 || !bytes.Equal(got[0], got[1]) {
		t.Errorf("%d octets over TCP, others over TLS: %d", len(got[0]), len(got[1]))
	}
}

func TestOutputTLSMistakes(t *testing.T) {
	for where, want := range map[string]string{
		"ipfix+tls://127.0.0.1:4740?cret=x":         `unknown "cret"`,
		"ipfix+tls://127.0.0.1:4740?cert=x":         "cert and key go together",
		"ipfix+tls://127.0.0.1":                     "write host:port",
		"ipfix+dtls://127.0.0.1:4740":               "ipfix+tls://",
		"ipfix+tls://127.0.0.1:4740?cert=x&key=%zz": "invalid URL escape",
	} {
		status, _, stderr := meterRun(t, "read", "-q", "-o", where, "../../testdata/dns.pcap")
		if status != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit status %d: %s", where, status, stderr)
		}
	}
}
