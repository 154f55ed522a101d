package exporters

// bootMargin is how long before the first packet a NetFlow exporter claims to
// have been booted, in ms: no piece of a flow begins so much earlier than the
// first one that is exported.
const bootMargin = 24 * 60 * 60 * 1000

// Boot is the moment that NetFlow v5 and v9 count their 32-bit milliseconds
// from, which last 49.7 days.
type Boot struct {
	At  int64 // ms since 1970
	set bool
}

// Covers tells whether a flow between two times in ns since 1970 can be told
// in ms since boot.
func (b *Boot) Covers(first, last int64) bool {
	return b.set && first/1e6 >= b.At && last/1e6 <= b.end()*1000
}

// end is the last whole second since 1970 that the uptime can tell.
func (b *Boot) end() int64 { return (b.At + 1<<32 - 1) / 1000 }

// Restart boots a day before the given time, in ns since 1970.
func (b *Boot) Restart(first int64) {
	b.At, b.set = first/1e6-bootMargin, true
}

// Header returns the export time in s since 1970 for a clock in ns, and the
// uptime in ms at that very second, so that a collector which adds and
// subtracts them finds each flow's times to the millisecond. The second is
// rounded up: no flow may end after the packet that tells of it, or collectors
// that subtract without a sign find its end 49.7 days ago. A clock that is
// beyond the range of the uptime is held at its end.
func (b *Boot) Header(clock int64) (seconds, uptime uint32) {
	sec := min((clock+1e9-1)/1e9, b.end())
	return uint32(sec), uint32(sec*1000 - b.At)
}
