package ipfix

import (
	"crypto/md5"
	"encoding/binary"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/wire"
	"flowmeter/meter/flow"
)

// The options of IPFIX files (RFC 5655 §8.1). All their scopes are written
// as 0: this message, this session.
var (
	checksumLayout = layout{checksumID, 1, []spec{{id: 263, size: 1}, {id: 262, size: 16}}}
	detailsLayout  = layout{detailsID, 1, []spec{{id: 267, size: 1}, {id: 214, size: 1}, {id: 264, size: 4}, {id: 260, size: 4}}}
)

const (
	checksumSize = 1 + md5.Size
	checksumRoom = 4 + checksumSize + 3 // with the set's header and padding
)

// windowFields are minFlowStart and maxFlowEnd of each precision.
var windowFields = map[flow.Precision]struct {
	min, max uint16
	form     wire.Form
}{
	flow.ToSeconds: {265, 261, wire.Seconds},
	flow.ToMillis:  {272, 269, wire.Millis},
	flow.ToMicros:  {271, 268, wire.Micros},
	flow.ToNanos:   {273, 270, wire.Nanos},
}

func windowLayout(p flow.Precision) layout {
	w := windowFields[p]
	size := uint16(8)
	if w.form == wire.Seconds {
		size = 4
	}
	return layout{windowID, 1, []spec{{id: 267, size: 1}, {id: w.min, size: size}, {id: w.max, size: size}}}
}

// fileSpan is the time that the records of a file span. A stream knows it at
// its end only.
type fileSpan struct {
	any        bool
	start, end int64 // of flows, ns since 1970
	began      int64 // first export time
}

func (s *fileSpan) add(r *flow.Record, b exporters.Biflow) {
	start, end := r.FlowStart(), r.FlowEnd()
	if b == exporters.Split {
		start, end = r.Count[flow.Forward].First, r.Count[flow.Forward].Last
	}
	if !s.any {
		s.any, s.start, s.end, s.began = true, start, end, r.End
	}
	s.start, s.end = min(s.start, start), max(s.end, end)
}

// finish writes the File Time Window and the Export Session Details. There are no
// addresses in them: meter and file writer are one (RFC 5655 §8.1.3).
func (s *fileSpan) finish(e *Exporter) {
	if !s.any {
		return
	}
	w, l := windowFields[e.cfg.Precision], windowLayout(e.cfg.Precision)
	rec := wire.AppendTime([]byte{0}, s.start, w.form)
	e.main.option(&l, wire.AppendTime(rec, s.end, w.form))
	rec = binary.BigEndian.AppendUint32([]byte{0, 10}, uint32(s.began/1e9))
	e.main.option(&detailsLayout, binary.BigEndian.AppendUint32(rec, e.exportTime()))
}
