package exporters

import (
	"errors"
	"sync/atomic"

	"flowmeter/meter/flow"
)

// ErrSpool is returned when records fit neither into memory nor on disk.
var ErrSpool = errors.New("spool")

// Reason says why records were not exported. It is the label `reason` of
// meter_export_dropped_records_total.
type Reason uint8

const (
	QueueFull    Reason = iota // the exporter did not keep up
	Unreachable                // the collector could not be reached in time
	Failed                     // writing or sending failed
	TooLarge                   // a record longer than a message
	Stopped                    // the meter stopped before they were sent
	IPv6                       // the format has no room for IPv6
	NotIP                      // the format has no room for other than IP
	SpoolFull                  // deleted from the spool, oldest first: it was over its size
	SpoolAge                   // deleted from the spool: too old
	SpoolFailed                // the spool could not be written: a full disk
	SpoolDamaged               // the spool's file was damaged
	Killed                     // held in memory by an earlier run as it was killed; as it last said
	NumReasons
)

var reasonNames = [NumReasons]string{
	"queue_full", "unreachable", "failed", "too_large", "stopped", "ipv6", "not_ip",
	"spool_full", "spool_age", "spool_failed", "spool_damaged", "killed",
}

// String returns the reason as a label value.
func (r Reason) String() string { return reasonNames[r] }

// Skipped tells whether records with this reason were left out because the
// format cannot hold them. They are no loss of the exporter.
func (r Reason) Skipped() bool { return r == IPv6 || r == NotIP }

// Tally is a number of records and what they carried.
type Tally struct {
	Records, Packets, Octets uint64
	First, Last              int64 // decided-end times, ns since 1970; valid if Records > 0
}

// Add counts a record, both its directions.
func (t *Tally) Add(r *flow.Record) {
	t.AddForward(r)
	t.Packets += r.Count[flow.Reverse].Packets
	t.Octets += r.Count[flow.Reverse].Octets
}

// AddForward counts a record of which only the forward direction is meant.
func (t *Tally) AddForward(r *flow.Record) {
	if t.Records == 0 {
		t.First = r.End
	}
	t.Last = r.End
	t.Records++
	t.Packets += r.Count[flow.Forward].Packets
	t.Octets += r.Count[flow.Forward].Octets
}

// TallyOf counts the records of a batch.
func TallyOf(b *flow.Batch) Tally {
	var t Tally
	for i := range b.Records {
		t.Add(&b.Records[i])
	}
	return t
}

// Stats is the account of one exporter. It may be read at any time.
type Stats struct {
	Records  atomic.Uint64 // exported, and not dropped since; data records where a format splits them
	Octets   atomic.Uint64 // sent or written, message headers included
	Messages atomic.Uint64
	Resent   atomic.Uint64 // data records that were sent once more after a break
	Breaks   atomic.Uint64 // connections that broke
	Trimmed  atomic.Uint64 // records that went without some of their distributions, for which no message has room
	Rerouted atomic.Uint64 // records meant for this exporter of a group that others got: it was away
	Errors   atomic.Uint64 // calls of the Sink that failed
	Queued   atomic.Int64  // records that wait in the queue
	Up       atomic.Bool   // file or socket open, collector connected, and the last thing tried succeeded

	SpoolOctets  atomic.Int64  // of the files of the spool
	SpoolRecords atomic.Int64  // flow records in the spool that were not sent yet
	SpoolOldest  atomic.Int64  // decided-end time of the first of them, ns since 1970; 0: there are none
	SpoolLimit   atomic.Int64  // octets that its files may have; 0: there is no spool
	SpoolGaps    atomic.Uint64 // times that records were lost from the spool

	owed      atomic.Uint64 // records that are dropped and still counted as exported
	dropped   [NumReasons]drops
	firstDrop atomic.Int64
	lastDrop  atomic.Int64
}

type drops struct{ records, packets, octets atomic.Uint64 }

// Drop counts records that were not exported.
func (s *Stats) Drop(why Reason, t Tally) {
	if t.Records == 0 {
		return
	}
	d := &s.dropped[why]
	d.records.Add(t.Records)
	d.packets.Add(t.Packets)
	d.octets.Add(t.Octets)
	if !why.Skipped() {
		s.firstDrop.CompareAndSwap(0, t.First)
		s.lastDrop.Store(t.Last)
	}
}

// Export counts records that were sent.
func (s *Stats) Export(records uint64) {
	owed := min(records, s.owed.Load())
	s.owed.Add(-owed)
	s.Records.Add(records - owed)
}

// TakeBack notes that records which were sent may not have arrived, and are
// dropped: each record is one or the other. A counter that is read must not
// fall, so it stands still for as many of those that are sent next.
func (s *Stats) TakeBack(t Tally) { s.owed.Add(t.Records) }

// Settle takes back what is still to be taken back, at the end.
func (s *Stats) Settle() { s.Records.Add(-s.owed.Swap(0)) }

// Dropped returns how many records were not exported for the given reason.
func (s *Stats) Dropped(why Reason) uint64 { return s.dropped[why].records.Load() }

// Lost sums what was dropped, without what the format cannot hold.
func (s *Stats) Lost() Tally {
	t := Tally{First: s.firstDrop.Load(), Last: s.lastDrop.Load()}
	for r := range NumReasons {
		if r.Skipped() {
			continue
		}
		d := &s.dropped[r]
		t.Records += d.records.Load()
		t.Packets += d.packets.Load()
		t.Octets += d.octets.Load()
	}
	return t
}

// ReasonOf returns the reason that an error of a connection is counted under.
func ReasonOf(err error) Reason {
	switch {
	case errors.Is(err, ErrUnreachable):
		return Unreachable
	case errors.Is(err, ErrSpool):
		return SpoolFailed
	}
	return Failed
}

// Sent counts a message that left.
func (s *Stats) Sent(records uint64, octets int) {
	s.Export(records)
	s.Octets.Add(uint64(octets))
	s.Messages.Add(1)
	s.Up.Store(true)
}
