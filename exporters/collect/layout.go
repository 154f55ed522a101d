package collect

import (
	"fmt"
	"maps"
)

// templates reads a template set or an options template set (RFC 7011 §3.4).
// Up to 3 octets at its end, and more if they are zero, are padding.
func (m *ipfixMessage) templates(one set) error {
	r := reader{one.body, one.offset}
	for len(r.b) >= 4 && !zero(r.b) {
		start := r.at
		id, _ := r.u16()
		count, _ := r.u16()
		if count == 0 {
			if err := m.withdraw(one.id, id, start); err != nil {
				return err
			}
			continue
		}
		if id < firstData {
			return malformed(start, "template id %d is reserved", id)
		}
		t, err := m.layout(&r, one.id, count)
		if err != nil {
			return malformed(r.at, "template %d: %v", id, err)
		}
		if t == nil {
			return malformed(start, "template %d: too many of its fields have no octets", id)
		}
		m.add(id, t)
	}
	return nil
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// layout reads the rest of a template record.
func (m *ipfixMessage) layout(r *reader, setID, count uint16) (*template, error) {
	var scopes uint16
	if setID == optionsSet {
		var err error
		if scopes, err = r.u16(); err != nil {
			return nil, err
		}
		if scopes == 0 || scopes > count {
			return nil, fmt.Errorf("%d scopes of %d fields", scopes, count)
		}
	}
	var specs []specifier
	for range count {
		s, err := r.specifier()
		if err != nil {
			return nil, err
		}
		specs = append(specs, s)
	}
	return newTemplate(specs, int(scopes), m.s.names), nil
}

func (r *reader) specifier() (s specifier, err error) {
	if s.id, err = r.u16(); err != nil {
		return s, err
	}
	if s.length, err = r.u16(); err != nil || s.id>>15 == 0 {
		return s, err
	}
	s.id &^= 1 << 15
	s.pen, err = r.u32()
	return s, err
}

// add keeps a template. Another layout under an id that is in use is taken,
// and counted.
func (m *ipfixMessage) add(id uint16, t *template) {
	m.d.stats.IPFIX.Templates++
	old := m.s.templates[id]
	if old == nil {
		old = &template{}
	} else if !old.equal(t) {
		m.d.stats.Redefined++
	}
	if m.d.keep(len(t.specs), len(old.specs)) {
		m.s.templates[id] = t
	}
}

// withdraw drops a template, or with the set's own id all of its kind
// (RFC 7011 §8.1). Over UDP it must be ignored (§8.4).
func (m *ipfixMessage) withdraw(setID, id uint16, at int) error {
	if id < firstData && id != setID {
		return malformed(at, "withdrawal of template %d in set %d", id, setID)
	}
	m.d.stats.Withdrawn++
	if m.d.cfg.Datagrams {
		return nil
	}
	maps.DeleteFunc(m.s.templates, func(of uint16, t *template) bool {
		drop := of == id || id == setID && (t.scopes > 0) == (setID == optionsSet)
		if drop {
			m.d.kept -= len(t.specs)
		}
		return drop
	})
	return nil
}
