package exporters

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// TLS says how a connection is secured (RFC 7011 §11.1 wants both sides to
// show a certificate). The files are PEM and are read for each connection, so
// that renewed ones are used without a restart.
type TLS struct {
	Cert, Key  string // what we show to the collector; both or neither
	CA         string // who may vouch for the collector; empty: whom the system trusts
	ServerName string // name that the collector's certificate must have; empty: the host of the address
}

// Validate returns what is wrong with the configuration, or nil. It reads no
// file.
func (t *TLS) Validate() error {
	if (t.Cert == "") != (t.Key == "") {
		return errors.New("tls: cert and key go together: one is the certificate, the other its private key")
	}
	return nil
}

// config reads the files.
func (t *TLS) config(address string) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if t.ServerName != "" {
		c.ServerName = t.ServerName
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("tls: certificate %s with key %s: %w", t.Cert, t.Key, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if t.CA != "" {
		if c.RootCAs, err = readCA(t.CA); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func readCA(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tls: ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls: ca %s: no certificate in it: PEM is wanted, which begins with -----BEGIN CERTIFICATE-----", path)
	}
	return pool, nil
}

// secure makes a TLS connection of conn.
func (t *TLS) secure(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	cfg, err := t.config(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c := tls.Client(conn, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, t.explain(address, err)
	}
	return c, nil
}

// explain adds to an error of the handshake what can be done about it.
func (t *TLS) explain(address string, err error) error {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		expired   x509.CertificateInvalidError
		alert     *net.OpError
		plain     tls.RecordHeaderError
	)
	hint := ""
	switch {
	case errors.As(err, &authority):
		hint = ": nobody whom we trust vouches for it; the key ca of tls names a file with whom to trust"
	case errors.As(err, &name):
		hint = ": the key server_name of tls is for a collector whose certificate has another name than its address"
	case errors.As(err, &expired):
		hint = ": it is the collector's certificate that needs renewing"
	case errors.As(err, &alert) && alert.Op == "remote error": // as crypto/tls calls alerts
		hint = t.blame()
	case errors.As(err, &plain):
		hint = ": what answers there does not speak TLS"
	}
	return fmt.Errorf("TLS with %s: %w%s", address, err, hint)
}

// blame says what the collector may have against us.
func (t *TLS) blame() string {
	if t.Cert == "" {
		return ": the collector may want a certificate of ours: the keys cert and key of tls"
	}
	return ": the collector does not like us; it may not trust our certificate " + t.Cert
}

// verdict waits for what a collector says of our certificate: with TLS 1.3
// the handshake is over for us before the collector has seen it, and a refusal
// is the first thing to be read. A round trip is as long as the handshake was
// at most.
func verdict(e *ending, handshake time.Duration) error {
	select {
	case <-e.gone:
		return e.err
	case <-time.After(min(max(2*handshake, 20*time.Millisecond), time.Second)):
		return nil
	}
}
