package collect

import (
	"maps"

	"flowmeter/meter/flow"
)

// learn takes the name and type of an element that an exporter tells of in an
// options record (RFC 5610 §3.9). The names of the registry and the meter's
// own are never changed.
func (m *ipfixMessage) learn(rec *Record) {
	id, isID := rec.Get("informationElementId").(uint64)
	pen, isPEN := rec.Get("privateEnterpriseNumber").(uint64)
	name, isName := rec.Get("informationElementName").(string)
	typ, isType := rec.Get("informationElementDataType").(uint64)
	if !isID || !isPEN || !isName || !isType || name == "" || pen == 0 || pen == reverse {
		return
	}
	e := enterprise{uint32(pen), uint16(id)}
	if _, own := m.d.own[e]; own || m.s.names[e].name == name || !m.d.keep(1, 0) {
		return
	}
	if m.s.learnt == 0 {
		m.s.names = maps.Clone(m.d.own)
	}
	m.s.learnt++
	m.s.names[e] = element{name, flow.Type(typ)}
	m.learned = true
}

// rename gives templates that came before it the names that a message told.
func (m *ipfixMessage) rename() {
	for _, t := range m.s.templates {
		t.resolve(m.s.names)
	}
}
