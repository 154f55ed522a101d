package collect

import (
	"fmt"
	"strings"
)

// Counts is what came in one version's messages.
type Counts struct {
	Messages  uint64 // well-formed
	Records   uint64
	Options   uint64 // options data records
	Templates uint64 // definitions, repeated ones too
	Lost      uint64 // missing by sequence numbers: records in v5 and IPFIX, messages in v9
	Back      uint64 // sequence numbers that went backwards
}

// Stats is a collector's account.
type Stats struct {
	V5, V9, IPFIX Counts
	Malformed     uint64 // messages refused as a whole
	Unknown       uint64 // data sets without a template
	Redefined     uint64 // template ids that got another layout
	Withdrawn     uint64 // template withdrawals, those ignored over UDP too
	Miscounted    uint64 // v9 messages whose header counts other than what they hold
	Checksums     uint64 // messages whose MD5 checksum was right (RFC 5655 §8.1)
	OutsideWindow uint64 // flows outside their file's time window (RFC 5655 §8.2)
	RefusedPeers  uint64 // messages of exporters beyond Config.MaxSessions
	RefusedFields uint64 // templates and names beyond Config.MaxFields
}

// of returns the counts of a version.
func (s *Stats) of(version uint16) *Counts {
	switch version {
	case 5:
		return &s.V5
	case 9:
		return &s.V9
	}
	return &s.IPFIX
}

// Summary is a few lines for the end of a run. What did not happen is left out.
func (s *Stats) Summary() string {
	var out strings.Builder
	for _, v := range []struct {
		name string
		unit string // of what is lost
		c    *Counts
	}{{"NetFlow v5", "records", &s.V5}, {"NetFlow v9", "messages", &s.V9}, {"IPFIX", "records", &s.IPFIX}} {
		if v.c.Messages > 0 {
			fmt.Fprintf(&out, "%s: %d messages, %d records, %d options records, %d templates; %d %s lost, sequence went back %d times\n",
				v.name, v.c.Messages, v.c.Records, v.c.Options, v.c.Templates, v.c.Lost, v.unit, v.c.Back)
		}
	}
	for _, row := range []struct {
		n    uint64
		what string
	}{
		{s.Malformed, "malformed messages"},
		{s.Unknown, "data sets without a template"},
		{s.Redefined, "templates redefined"},
		{s.Withdrawn, "templates withdrawn"},
		{s.Miscounted, "v9 headers with a wrong count"},
		{s.Checksums, "messages with a right checksum"},
		{s.OutsideWindow, "flows outside their file's time window"},
		{s.RefusedPeers, "messages refused: too many exporters"},
		{s.RefusedFields, "templates refused: too many fields"},
	} {
		if row.n > 0 {
			fmt.Fprintf(&out, "%d %s\n", row.n, row.what)
		}
	}
	if out.Len() == 0 {
		return "nothing came\n"
	}
	return out.String()
}
