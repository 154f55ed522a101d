package collect

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/cloudflare/goflow/v3/decoders/netflow"

	"flowmeter/meter/flow"
)

const v9Header = 20

// v9Scopes names the scopes of v9, which are no information elements
// (RFC 3954 §6.1).
var v9Scopes = [...]string{1: "scopeSystem", 2: "scopeInterface", 3: "scopeLineCard", 4: "scopeCache", 5: "scopeTemplate"}

// v9 decodes a NetFlow v9 message with goflow. That trusts lengths, so the
// flow sets are checked first and templates as they are added.
func (d *Decoder) v9(peer string, msg []byte) ([]Record, error) {
	if len(msg) < v9Header {
		return nil, malformed(len(msg), "v9 header of %d octets is cut", v9Header)
	}
	flowSets, err := sets(msg, v9Header)
	if err != nil {
		return nil, err
	}
	for _, fs := range flowSets {
		if fs.id > 1 && fs.id < 256 {
			return nil, malformed(fs.offset-4, "flow set id %d is reserved", fs.id)
		}
	}
	s := d.session(peer, 9, binary.BigEndian.Uint32(msg[16:]))
	if s == nil {
		return nil, nil
	}
	templates := &v9Templates{d: d, s: s}
	decoded, err := netflow.DecodeMessage(bytes.NewBuffer(msg), templates)
	if err != nil {
		return nil, malformed(0, "%v", err)
	}
	if templates.bad != 0 {
		return nil, malformed(0, "template %d is cut, or its records have no octets", templates.bad)
	}
	p := decoded.(netflow.NFv9Packet)
	m := v9Message{peer: peer, p: &p}
	recs := m.records()
	d.account(s, 9, p.SequenceNumber, 1, recs)
	d.stats.V9.Templates += uint64(templates.added)
	if !templates.missing && int(p.Count) != len(recs)+templates.added {
		d.stats.Miscounted++
	}
	return recs, nil
}

// v9Templates is the template store that goflow asks. It refuses templates
// whose records have no octets, of which goflow would read for ever, and lets
// it skip data of unknown templates instead of giving up the message.
type v9Templates struct {
	d       *Decoder
	s       *session
	added   int
	bad     uint16 // id of a template that was refused
	missing bool
}

// v9Template is a template as goflow keeps it.
type v9Template struct {
	layout any
	fields int
}

// GetTemplate returns the template of a data flow set, nil if it is unknown.
func (t *v9Templates) GetTemplate(_ uint16, _ uint32, id uint16) (any, error) {
	known := t.s.v9[id]
	if known.layout == nil {
		t.missing = true
		t.d.stats.Unknown++
	}
	return known.layout, nil
}

// AddTemplate keeps a template.
func (t *v9Templates) AddTemplate(_ uint16, _ uint32, layout any) {
	var id uint16
	var fields []netflow.Field
	switch l := layout.(type) {
	case netflow.TemplateRecord:
		id, fields = l.TemplateId, l.Fields
	case netflow.NFv9OptionsTemplateRecord:
		id, fields = l.TemplateId, slices.Concat(l.Scopes, l.Options)
	}
	if id < firstData || !sound(fields) {
		t.bad = max(id, 1)
		return
	}
	t.added++
	if t.d.keep(len(fields), t.s.v9[id].fields) {
		t.s.v9[id] = v9Template{layout, len(fields)}
	}
}

// sound tells that a template is whole (goflow fills up one that is cut with
// zeros) and that its records have more octets than fields without any.
func sound(fields []netflow.Field) bool {
	empty := 0
	for _, f := range fields {
		if f == (netflow.Field{}) {
			return false
		}
		if f.Length == 0 {
			empty++
		}
	}
	return len(fields) > 0 && empty <= netflow.GetTemplateSize(fields)
}

// v9Message turns what goflow decoded into records.
type v9Message struct {
	peer string
	p    *netflow.NFv9Packet
}

func (m *v9Message) records() []Record {
	var recs []Record
	for _, fs := range m.p.FlowSets {
		switch fs := fs.(type) {
		case netflow.DataFlowSet:
			for _, r := range fs.Records {
				recs = append(recs, m.record(fs.Id, m.fields(nil, r.Values)))
			}
		case netflow.OptionsDataFlowSet:
			for _, r := range fs.Records {
				rec := m.record(fs.Id, m.fields(scopeFields(r.ScopesValues), r.OptionsValues))
				rec.Options = true
				recs = append(recs, rec)
			}
		}
	}
	return recs
}

func (m *v9Message) record(id uint16, fields []Field) Record {
	return Record{Exporter: m.peer, Version: 9, Domain: m.p.SourceId, Template: id,
		ExportTime: int64(m.p.UnixSeconds) * 1e9, Fields: fields}
}

// fields appends fields under their IPFIX names, which are those of the same
// numbers. The times, which v9 counts since the exporter's start, become
// absolute.
func (m *v9Message) fields(dst []Field, values []netflow.DataField) []Field {
	clock := uptimeClock{int64(m.p.UnixSeconds) * 1e9, m.p.SystemUptime}
	for _, v := range values {
		octets, _ := v.Value.([]byte)
		uptime, _ := unsigned(octets).(uint64)
		switch {
		case v.Type == netflow.NFV9_FIELD_FIRST_SWITCHED && len(octets) == 4:
			dst = append(dst, Field{"flowStartMilliseconds", clock.text(uint32(uptime))})
		case v.Type == netflow.NFV9_FIELD_LAST_SWITCHED && len(octets) == 4:
			dst = append(dst, Field{"flowEndMilliseconds", clock.text(uint32(uptime))})
		default:
			el := names(nil).find(enterprise{id: v.Type})
			dst = append(dst, Field{el.name, el.show(octets)})
		}
	}
	return dst
}

func scopeFields(values []netflow.DataField) []Field {
	var fields []Field
	for _, v := range values {
		octets, _ := v.Value.([]byte)
		el := element{"scope" + names(nil).find(enterprise{id: v.Type}).name, flow.Unsigned64}
		if int(v.Type) < len(v9Scopes) && v.Type > 0 {
			el.name = v9Scopes[v.Type]
		}
		fields = append(fields, Field{el.name, el.show(octets)})
	}
	return fields
}
