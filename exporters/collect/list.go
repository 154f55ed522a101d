package collect

import (
	"errors"

	"flowmeter/meter/flow"
)

// Lists (RFC 6313) within lists are read so deep. What is deeper, or cannot be
// read, is shown in hex.
const deepest = 8

var errList = errors.New("not a list that can be read")

// show returns an element's value; that of a list is its values.
func (m *ipfixMessage) show(el *element, b []byte, depth int) any {
	read := map[flow.Type]func(*reader, int) ([]any, error){
		subTemplateList: m.subTemplateList, subTemplateMultiList: m.subTemplateMultiList,
	}[el.typ]
	switch {
	case depth == deepest || len(b) == 0:
	case el.typ == flow.BasicList:
		if of, list, err := m.basicList(&reader{b: b}, depth+1); err == nil && el.name == iana[basicListID].name {
			return []Field{{of.name, list}} // nothing else tells what it is of
		} else if err == nil {
			return list
		}
	case read != nil:
		if list, err := read(&reader{b: b}, depth+1); err == nil {
			return list
		}
	}
	return el.show(b)
}

const basicListID = 291

// basicList reads values of one element (§4.5.1).
func (m *ipfixMessage) basicList(r *reader, depth int) (of element, list []any, err error) {
	_, err = r.next(1) // the semantic
	if err != nil {
		return of, nil, err
	}
	s, err := r.specifier()
	if err != nil || s.length == 0 {
		return of, nil, errList
	}
	of, list = m.s.names.find(s.enterprise), []any{}
	for len(r.b) > 0 {
		b, err := r.field(s.length)
		if err != nil {
			return of, nil, err
		}
		list = append(list, m.show(&of, b, depth))
	}
	return of, list, nil
}

// subTemplateList reads records of one template (§4.5.2).
func (m *ipfixMessage) subTemplateList(r *reader, depth int) ([]any, error) {
	if _, err := r.next(1); err != nil {
		return nil, err
	}
	id, err := r.u16()
	if err != nil {
		return nil, err
	}
	return m.subRecords(r, id, depth)
}

// subTemplateMultiList reads records of several templates (§4.5.3).
func (m *ipfixMessage) subTemplateMultiList(r *reader, depth int) ([]any, error) {
	all := []any{}
	_, err := r.next(1)
	for err == nil && len(r.b) > 0 {
		var head, body []byte
		if head, err = r.next(4); err != nil {
			break
		}
		h := reader{b: head}
		id, _ := h.u16()
		length, _ := h.u16()
		if length < 4 {
			return nil, errList
		}
		if body, err = r.next(int(length) - 4); err != nil {
			break
		}
		var some []any
		some, err = m.subRecords(&reader{b: body}, id, depth)
		all = append(all, some...)
	}
	return all, err
}

func (m *ipfixMessage) subRecords(r *reader, id uint16, depth int) ([]any, error) {
	t := m.s.templates[id]
	if t == nil {
		return nil, errList
	}
	list := []any{}
	for len(r.b) > 0 {
		var fields []Field
		for i, s := range t.specs {
			b, err := r.field(s.length)
			if err != nil {
				return nil, err
			}
			el := &t.elements[i]
			fields = append(fields, Field{el.name, m.show(el, b, depth)})
		}
		list = append(list, joinPrefixes(fields))
	}
	return list, nil
}
