package collect

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// drain is how long datagrams that came before the end are still read.
const drain = 100 * time.Millisecond

// maxConnections bounds how many exporters may be connected at once.
const maxConnections = 256

// Collector reads messages from a socket or a file and writes their records
// as JSON lines.
type Collector struct {
	cfg  Config
	name string
	out  io.Writer

	udp  *net.UDPConn // one of these three
	tcp  net.Listener
	file *os.File

	mu  sync.Mutex // guards what follows
	dec *Decoder
	buf []byte
	err error // of the first write that failed
}

// Open returns a Collector of udp://host:port, tcp://host:port, or an IPFIX
// file (RFC 5655). The socket listens at once. Run must follow.
func Open(cfg Config, where string, out io.Writer) (*Collector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Collector{cfg: cfg, name: where, out: out}
	if err := c.open(where); err != nil {
		return nil, err
	}
	c.cfg.Datagrams = c.udp != nil
	c.dec = NewDecoder(c.cfg)
	return c, nil
}

func (c *Collector) open(where string) (err error) {
	scheme, host, isURL := strings.Cut(where, "://")
	switch {
	case !isURL:
		c.file, err = openFile(where)
	case scheme == "udp":
		c.udp, err = listenUDP(host)
	case scheme == "tcp":
		c.tcp, err = net.Listen("tcp", host)
	default:
		err = fmt.Errorf("%s: collects from udp://host:port, tcp://host:port or an IPFIX file", where)
	}
	return err
}

// openFile opens a file; an address that is taken for one is told what to write.
func openFile(name string) (*os.File, error) {
	f, err := os.Open(name)
	if _, _, bad := net.SplitHostPort(name); errors.Is(err, os.ErrNotExist) && bad == nil {
		err = fmt.Errorf("%w (to listen there: udp://%s or tcp://%[2]s)", err, name)
	}
	return f, err
}

func listenUDP(host string) (*net.UDPConn, error) {
	addr, err := net.ResolveUDPAddr("udp", host)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", addr)
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(8 << 20) // what the system allows of it
	return conn, nil
}

// Addr is where the Collector listens; nil for a file.
func (c *Collector) Addr() net.Addr {
	switch {
	case c.udp != nil:
		return c.udp.LocalAddr()
	case c.tcp != nil:
		return c.tcp.Addr()
	}
	return nil
}

// Run collects until ctx ends, the file ends, or out fails. Malformed messages
// are counted and told to Config.Log, and are no error.
func (c *Collector) Run(ctx context.Context) error {
	switch {
	case c.udp != nil:
		return c.runUDP(ctx)
	case c.tcp != nil:
		return c.runTCP(ctx)
	}
	defer c.file.Close()
	return c.dec.readFile(c.name, c.file, func(recs []Record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return c.write(recs)
	})
}

// Stats returns what was counted so far; while a file is read, only after Run.
func (c *Collector) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dec.Stats()
}

func (c *Collector) runUDP(ctx context.Context) error {
	defer c.udp.Close()
	defer context.AfterFunc(ctx, func() { _ = c.udp.SetReadDeadline(time.Now().Add(drain)) })()
	msg := make([]byte, largest)
	for {
		n, peer, err := c.udp.ReadFromUDPAddrPort(msg)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
		if err := c.take(peer.String(), msg[:n]); err != nil {
			return err
		}
	}
}

func (c *Collector) runTCP(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(ctx, func() { c.tcp.Close() })()
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel() // before waiting: connections end with ctx
	free := make(chan struct{}, maxConnections)
	for {
		conn, err := c.tcp.Accept()
		if ctx.Err() != nil {
			return c.failure()
		}
		if err != nil {
			return err
		}
		select {
		case free <- struct{}{}:
		default:
			conn.Close()
			continue
		}
		all.Go(func() {
			if err := c.connection(ctx, conn); err != nil {
				cancel()
			}
			<-free
		})
	}
}

// failure returns the error that a write to out ended with.
func (c *Collector) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// connection reads one exporter's messages, each of the length that its header
// tells (RFC 7011 §10.4). The error is that of out.
func (c *Collector) connection(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	peer := conn.RemoteAddr().String()
	defer c.forget(peer)
	msg := make([]byte, largest)
	for {
		n, err := readMessage(conn, msg)
		if err != nil {
			c.ended(ctx, peer, err)
			return nil
		}
		if err := c.take(peer, msg[:n]); err != nil {
			return err
		}
	}
}

// readMessage reads a message into b and returns its length. io.EOF means that
// the exporter closed the connection between two messages.
func readMessage(in io.Reader, b []byte) (int, error) {
	if _, err := io.ReadFull(in, b[:4]); err != nil {
		return 0, err
	}
	version, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
	if version != 10 || n < ipfixHeader {
		return 0, malformed(0, "version %d, length %d is no IPFIX message", version, n)
	}
	if _, err := io.ReadFull(in, b[4:n]); err != nil {
		return 0, io.ErrUnexpectedEOF
	}
	return n, nil
}

// ended tells why a connection ended, but for the two ordinary ends.
func (c *Collector) ended(ctx context.Context, peer string, err error) {
	if errors.Is(err, io.EOF) || ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dec.stats.Malformed++
	c.cfg.tell(fmt.Errorf("%s: connection ended: %w", peer, err))
}

func (c *Collector) forget(peer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dec.Forget(peer)
}

// take decodes a message and writes its records. The error is that of out.
func (c *Collector) take(peer string, msg []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	recs, err := c.dec.Decode(peer, msg)
	if err != nil {
		c.cfg.tell(fmt.Errorf("%s: %w", peer, err))
	}
	return c.write(recs)
}

// write writes records as JSON lines, those of a message in one piece.
func (c *Collector) write(recs []Record) error {
	if c.err != nil || len(recs) == 0 {
		return c.err
	}
	c.buf = c.buf[:0]
	for i := range recs {
		c.buf = recs[i].AppendJSON(c.buf)
	}
	_, c.err = c.out.Write(c.buf)
	return c.err
}

// tell hands an error to Log.
func (c *Config) tell(err error) {
	if c.Log != nil {
		c.Log(err)
	}
}
