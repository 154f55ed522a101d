// Package ipfix exports records as IPFIX (RFC 7011): over UDP and TCP and as
// files (RFC 5655), bidirectional flows as in RFC 5103.
package ipfix

import (
	"errors"
	"fmt"
	"io"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/spool"
	"flowmeter/meter/flow"
)

// Transport says where messages go.
type Transport uint8

const (
	UDP    Transport = iota
	TCP              // a connection that is made again when it breaks
	TLS              // the same, secured
	File             // an IPFIX file
	Writer           // the same, to an io.Writer
)

// DocumentationPEN is the enterprise number of examples (RFC 5612).
const DocumentationPEN = 32473

// Config is the configuration of one IPFIX exporter.
type Config struct {
	exporters.Common
	Transport  Transport
	Path       string    // of Transport File
	Writer     io.Writer // of Transport Writer
	Precision  flow.Precision
	Enterprise uint32        // of the meter's own fields
	Private    bool          // export them
	Checksum   bool          // each message of a file carries its MD5 (RFC 5655 §8.1.1)
	GiveUp     time.Duration // longest wait for an unreachable collector while traces are read
	Overlap    int           // octets sent once more after a TCP connection broke
	TLS        exporters.TLS // of Transport TLS
	Spool      spool.Config  // where live records wait for a collector over TCP or TLS; without a Dir, nowhere
}

// Default returns the defaults: everything but the address.
func Default() Config {
	return Config{
		Common:     exporters.DefaultCommon(),
		Enterprise: DocumentationPEN,
		Private:    true,
		GiveUp:     10 * time.Second,
		Overlap:    1 << 20,
		Spool:      spool.Default(),
	}
}

// streamMessage is the message size of TCP and files, in octets: few headers
// and system calls, and still a collector's buffer.
const streamMessage = 16 << 10

// maxMessage returns the size of messages, in octets.
func (c *Config) maxMessage() int {
	if c.Transport == UDP {
		return c.MaxMessage
	}
	return streamMessage
}

// stream tells whether messages go over a connection.
func (c *Config) stream() bool { return c.Transport == TCP || c.Transport == TLS }

// Validate returns what is wrong with the configuration, or nil.
func (c *Config) Validate() error {
	var errs []error
	if c.Transport == UDP || c.stream() {
		errs = append(errs, c.CheckCollectors())
	}
	if c.Transport == File && c.Path == "" {
		errs = append(errs, errors.New("an IPFIX file needs a path"))
	}
	if c.Transport == Writer && c.Writer == nil {
		errs = append(errs, errors.New("no writer to export to"))
	}
	if c.MaxMessage < exporters.MinMessage || c.MaxMessage > 65535 {
		errs = append(errs, fmt.Errorf("max_message is %d to 65535 octets, not %d", exporters.MinMessage, c.MaxMessage))
	}
	if c.Enterprise == 0 || c.Enterprise == reversePEN {
		errs = append(errs, fmt.Errorf("enterprise %d is taken: IANA's own and that of reverse fields cannot hold private ones", c.Enterprise))
	}
	if c.Checksum && c.Transport != File && c.Transport != Writer {
		errs = append(errs, errors.New("checksum is for files only"))
	}
	return errors.Join(append(errs, c.checkTLS(), c.checkSpool(), c.checkFields())...)
}

func (c *Config) checkTLS() error {
	if c.Transport != TLS && c.TLS != (exporters.TLS{}) {
		return errors.New("tls is for transport: tls")
	}
	return c.TLS.Validate()
}

func (c *Config) checkSpool() error {
	if c.Spool.Dir == "" {
		return nil
	}
	if !c.stream() {
		return errors.New("a spool is for transport: tcp and tls: over UDP nobody knows that a collector is away")
	}
	return c.Spool.Validate()
}

// checkFields finds fields that are unknown or that IPFIX has no number for.
func (c *Config) checkFields() error {
	model := flow.Model(c.Precision)
	if err := exporters.CheckFields(c.Fields, model); err != nil {
		return err
	}
	for _, name := range c.Fields {
		for i := range model {
			if model[i].Name == name && model[i].ID == 0 {
				return fmt.Errorf("field %q is for text only: IPFIX has no number for it", name)
			}
		}
	}
	if len(c.selected()) == 0 {
		return errors.New("none of the fields is left without the private ones")
	}
	return nil
}
