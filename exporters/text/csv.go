package text

import (
	"io"
	"strings"
	"time"

	"flowmeter/meter/flow"
)

// CSV writes records as comma-separated values (RFC 4180, but lines end in LF
// alone): a header, then one line a record. What a record lacks is an empty
// cell.
type CSV struct {
	lines
	cells []column
}

// DefaultCSV returns the columns that CSV has unless told otherwise: what
// names the flow, when it was, its ends, what went each way, and how it ended.
func DefaultCSV(p flow.Precision) []string {
	start, end := flow.TimeNames(p)
	return []string{
		"ruleset", "flowId", "pieceNumber", start, end,
		"protocolIdentifier",
		"sourceIPv4Address", "destinationIPv4Address",
		"sourceIPv6Address", "destinationIPv6Address",
		"sourceIPv4Prefix", "destinationIPv4Prefix",
		"sourceIPv6Prefix", "destinationIPv6Prefix",
		"sourceTransportPort", "destinationTransportPort",
		"octetDeltaCount", "reverseOctetDeltaCount",
		"packetDeltaCount", "reversePacketDeltaCount",
		"tcpControlBits", "reverseTcpControlBits",
		"flowEndReason", "biflowDirection", "flowClass", "flowKindName",
	}
}

// NewCSV returns a writer of CSV to w with times of the given precision and
// the given columns; nil means DefaultCSV. A name that is unknown or stands
// twice is an error.
func NewCSV(w io.Writer, p flow.Precision, fields []string) (*CSV, error) {
	if fields == nil {
		fields = DefaultCSV(p)
	}
	cells, err := choose(p, fields)
	if err != nil {
		return nil, err
	}
	c := &CSV{lines: lines{w: w, buf: make([]byte, 0, flushAt+4096), head: []byte(strings.Join(fields, ",") + "\n")}, cells: cells}
	c.buf = append(c.buf, c.head...)
	return c, nil
}

// Headless leaves out the header, for a file that has one.
func (c *CSV) Headless() { c.buf = c.buf[:0] }

// Export writes the records of b. They reach w once enough are gathered, or
// with Tick or Close.
func (c *CSV) Export(b *flow.Batch) error {
	for i := range b.Records {
		c.buf = c.append(c.buf, &b.Records[i])
		if err := c.flushIfFull(); err != nil {
			return err
		}
	}
	return nil
}

// Tick writes what was gathered.
func (c *CSV) Tick(time.Time) error { return c.flush() }

// Close writes what was gathered, the header if nothing else. It does not
// close w.
func (c *CSV) Close() error { return c.flush() }

// append appends r's line.
func (c *CSV) append(dst []byte, r *flow.Record) []byte {
	start := len(dst)
	for i := range c.cells {
		if i > 0 {
			dst = append(dst, ',')
		}
		cell := &c.cells[i]
		if r.Has&cell.needs != cell.needs {
			continue
		}
		dst = cell.append(dst, r)
	}
	if len(dst) == start {
		dst = append(dst, `""`...) // readers skip an empty line
	}
	return append(dst, '\n')
}

// append appends the column's cell, in quotes where it needs them.
func (c *column) append(dst []byte, r *flow.Record) []byte {
	start := len(dst)
	dst = c.AppendText(dst, r, c.way)
	for _, c := range dst[start:] {
		if c == '"' || c == ',' || c == '\r' || c == '\n' {
			return quoteCell(dst, start)
		}
	}
	return dst
}

// quoteCell puts quotes around the cell that begins at start and doubles
// those within (RFC 4180 §2).
func quoteCell(dst []byte, start int) []byte {
	cell := strings.ReplaceAll(string(dst[start:]), `"`, `""`)
	dst = append(dst[:start], '"')
	return append(append(dst, cell...), '"')
}
