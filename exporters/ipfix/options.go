package ipfix

import (
	"encoding/binary"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/wire"
	"flowmeter/meter/flow"
)

// Template numbers of the options; data templates come after them.
const (
	checksumID = wire.FirstTemplate + iota
	typeID
	flowKeysID
	ruleSetID
	interfaceID
	meteringID
	ignoredID
	notSentID
	windowID
	detailsID
	selectorID
	firstData = wire.FirstTemplate + 16
)

// spec is a field specifier of an options template.
type spec struct {
	id, size uint16
	private  bool
}

// layout is an options template (RFC 7011 §3.4.2.2).
type layout struct {
	id     uint16
	scopes int
	specs  []spec
}

// The options templates of every exporter: RFC 7011 §4.1 to §4.4 and the
// names of interfaces.
var (
	flowKeysLayout  = layout{flowKeysID, 1, []spec{{id: 145, size: 2}, {id: 173, size: 8}}}
	interfaceLayout = layout{interfaceID, 1, []spec{{id: 10, size: 4}, {id: 82, size: wire.VarLen}}}
	meteringLayout  = layout{meteringID, 1, []spec{{id: 149, size: 4}, {id: 41, size: 8}, {id: 42, size: 8}, {id: 40, size: 8}}}
	ignoredLayout   = layout{ignoredID, 1, []spec{{id: 149, size: 4}, {id: 164, size: 8}, {id: 165, size: 8}, {id: 323, size: 8}, {id: 323, size: 8}}}
	notSentLayout   = layout{notSentID, 1, []spec{{id: 144, size: 4}, {id: 166, size: 8}, {id: 167, size: 8}, {id: 168, size: 8}, {id: 323, size: 8}, {id: 323, size: 8}}}
)

// Those of the meter's own fields: their types (RFC 5610 §3.10), and the
// names of the rule sets.
var (
	typeLayout = layout{typeID, 2, []spec{{id: 346, size: 4}, {id: 303, size: 2}, {id: 339, size: 1}, {id: 344, size: 1}, {id: 345, size: 2},
		{id: 342, size: 8}, {id: 343, size: 8}, {id: 341, size: wire.VarLen}, {id: 340, size: wire.VarLen}}}
	ruleSetLayout = layout{ruleSetID, 1, []spec{{id: 5, size: 2, private: true}, {id: 335, size: wire.VarLen}}}
)

// least returns the octets of the shortest record, and a little less where
// there are strings: some collectors take their length for nothing.
func (l *layout) least() int {
	n := 0
	for _, s := range l.specs {
		if s.size != wire.VarLen {
			n += int(s.size)
		}
	}
	return n
}

// append writes the options template record.
func (l *layout) append(dst []byte, enterprise uint32) []byte {
	dst = binary.BigEndian.AppendUint16(dst, l.id)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(l.specs)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(l.scopes))
	for _, s := range l.specs {
		if !s.private {
			dst = binary.BigEndian.AppendUint16(dst, s.id)
			dst = binary.BigEndian.AppendUint16(dst, s.size)
			continue
		}
		dst = binary.BigEndian.AppendUint16(dst, s.id|1<<15)
		dst = binary.BigEndian.AppendUint16(dst, s.size)
		dst = binary.BigEndian.AppendUint32(dst, enterprise)
	}
	return dst
}

// options is what an exporter tells the collector beside the flows.
type options struct {
	cfg        *Config
	layouts    []layout
	types      [][]byte // RFC 5610 records of the private fields that are exported
	listTypes  [][]byte // and of lists, which are told of once there is a record with any
	lastSet    *flow.RuleSet
	ruleSets   []*flow.RuleSet // in the order of their first record
	interfaces []flow.Interface
	selectors  exporters.Selectors
	scratch    []byte
}

func newOptions(c *Config) *options {
	o := &options{cfg: c}
	if c.Checksum {
		o.layouts = append(o.layouts, checksumLayout)
	}
	if c.Private {
		o.layouts = append(o.layouts, typeLayout, ruleSetLayout)
		o.types, o.listTypes = typeRecords(c)
	}
	o.layouts = append(o.layouts, flowKeysLayout, interfaceLayout, meteringLayout, ignoredLayout, notSentLayout)
	if c.Transport == File || c.Transport == Writer {
		o.layouts = append(o.layouts, windowLayout(c.Precision), detailsLayout)
	}
	return o
}

// templates adds the options templates to a message. The types of the meter's
// own fields come before the templates that have them: some collectors name
// the fields of a template when they read it, and never again.
func (o *options) templates(p *packer) {
	for i := range o.layouts {
		o.scratch = o.layouts[i].append(o.scratch[:0], o.cfg.Enterprise)
		p.template(optionsSet, o.scratch)
		if o.layouts[i].id != typeID {
			continue
		}
		for _, rec := range o.types {
			p.option(&typeLayout, rec)
		}
	}
}

// lists tells of the types of lists, in a session that has begun.
func (o *options) lists(p *packer) {
	for _, rec := range o.listTypes {
		p.option(&typeLayout, rec)
		p.intro = true
	}
}

// knowLists has the types of lists told at the beginning of sessions.
func (o *options) knowLists() { o.types, o.listTypes = append(o.types, o.listTypes...), nil }

// known adds the names that hold for a whole session.
func (o *options) known(p *packer) {
	for _, rs := range o.ruleSets {
		o.ruleSetName(p, rs)
	}
	for _, i := range o.interfaces {
		o.interfaceName(p, i)
	}
}

// ruleSet tells the name of a rule set before its first record.
func (o *options) ruleSet(p *packer, rs *flow.RuleSet) {
	o.lastSet = rs
	if !o.cfg.Private {
		return
	}
	for _, known := range o.ruleSets {
		if known.Index == rs.Index && known.Name == rs.Name {
			return
		}
	}
	o.ruleSets = append(o.ruleSets, rs)
	o.ruleSetName(p, rs)
}

func (o *options) ruleSetName(p *packer, rs *flow.RuleSet) {
	rec := binary.BigEndian.AppendUint16(o.scratch[:0], uint16(rs.Index+1))
	o.scratch = wire.AppendString(rec, rs.Name)
	p.option(&ruleSetLayout, o.scratch)
	p.intro = true
}

func (o *options) interfaceName(p *packer, i flow.Interface) {
	rec := binary.BigEndian.AppendUint32(o.scratch[:0], i.Index)
	o.scratch = wire.AppendString(rec, i.Name)
	p.option(&interfaceLayout, o.scratch)
	p.intro = true
}

// flowKeys tells which fields of a template are flow keys (RFC 7011 §4.4).
func (o *options) flowKeys(p *packer, t *wire.Template) {
	rec := binary.BigEndian.AppendUint16(o.scratch[:0], t.ID)
	o.scratch = binary.BigEndian.AppendUint64(rec, t.Keys())
	p.option(&flowKeysLayout, o.scratch)
}
