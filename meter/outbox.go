package meter

import "flowmeter/meter/flow"

// outbox is where a worker puts its records: straight into the output if it is
// the only one, else in parcels for the merger.
type outbox struct {
	direct *output
	parcel parcel
	out    chan<- parcel
	epoch  int
}

// parcel is a run of one worker's records in order, and how far that worker
// has come.
type parcel struct {
	records   []flow.Record
	epoch     int   // how often the clock was set
	watermark int64 // all records of this epoch that ended before have been sent
}

const parcelRecords = 256

// parcelsAhead is how many parcels a worker may be ahead of the merger.
const parcelsAhead = 4

func (b *outbox) next() *flow.Record {
	if b.direct != nil {
		return b.direct.next()
	}
	if len(b.parcel.records) == parcelRecords {
		b.send()
	}
	if b.parcel.records == nil {
		b.parcel.records = make([]flow.Record, 0, parcelRecords)
	}
	b.parcel.records = b.parcel.records[:len(b.parcel.records)+1]
	return &b.parcel.records[len(b.parcel.records)-1]
}

func (b *outbox) send() {
	b.parcel.epoch = b.epoch
	b.out <- b.parcel
	b.parcel.records = nil
}

// mark tells that all records that ended before the watermark have been put
// in. With Everything the epoch is over.
func (b *outbox) mark(watermark int64) {
	if b.direct != nil || watermark == b.parcel.watermark && len(b.parcel.records) == 0 {
		return
	}
	b.parcel.watermark = watermark
	b.send()
	if watermark == flow.Everything {
		b.epoch++
		b.parcel.watermark = 0
	}
}
