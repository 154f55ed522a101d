package wire

import (
	"encoding/binary"

	"flowmeter/meter/flow"
)

// FirstTemplate is the smallest number that a template can have.
const FirstTemplate = 256

// Template is the layout of a data record, and the program that writes it.
type Template struct {
	ID      uint16
	Sent    bool // the collector has been told, in this session
	Least   int  // octets of the shortest record
	Spec    int  // octets of the template record
	cols    []Column
	program []op
	varied  []int // the columns of variable length
}

// NewTemplate compiles columns to a template.
func NewTemplate(id uint16, cols []Column) *Template {
	t := &Template{ID: id, cols: cols, program: compile(cols), Spec: 4}
	for i := range cols {
		t.Spec += cols[i].specSize()
		if cols[i].Size == VarLen {
			t.varied = append(t.varied, i)
			t.Least++
			continue
		}
		t.Least += int(cols[i].Size)
	}
	return t
}

// Size returns the octets of r in this layout.
func (t *Template) Size(r *flow.Record) int {
	size := t.Least
	for _, i := range t.varied {
		size += t.cols[i].sizeIn(r) - 1
	}
	return size
}

// AppendRecord writes the template record (RFC 7011 §3.4.1, RFC 3954 §5.2).
func (t *Template) AppendRecord(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, t.ID)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(t.cols)))
	for i := range t.cols {
		dst = t.cols[i].appendSpec(dst)
	}
	return dst
}

// Keys returns flowKeyIndicator (IE 173): bit n is set if the n-th field is a
// flow key. It can tell of the first 64 fields only.
func (t *Template) Keys() uint64 {
	var keys uint64
	for i := 0; i < len(t.cols) && i < 64; i++ {
		if t.cols[i].Key {
			keys |= 1 << i
		}
	}
	return keys
}

// Shapes finds the template of a record by what the record holds, and makes
// it when that shape is seen for the first time.
type Shapes struct {
	columns func(flow.Has) []Column
	mask    flow.Has
	byShape map[flow.Has]*Template
	list    []*Template
	last    *Template
	shape   flow.Has // of last
	first   uint16   // number of the first template
}

// NewShapes returns Shapes that tell records apart by the bits of mask, lay
// them out by columns and number their templates from first on.
func NewShapes(first uint16, mask flow.Has, columns func(flow.Has) []Column) *Shapes {
	return &Shapes{columns: columns, mask: mask, byShape: map[flow.Has]*Template{}, first: first}
}

// Of returns the template for records that hold what h says.
func (s *Shapes) Of(h flow.Has) *Template {
	h &= s.mask
	if s.last != nil && h == s.shape {
		return s.last
	}
	t := s.byShape[h]
	if t == nil {
		t = s.add(h)
	}
	s.last, s.shape = t, h
	return t
}

func (s *Shapes) add(h flow.Has) *Template {
	cols := s.columns(h)
	t := NewTemplate(s.first+uint16(len(s.list)), cols)
	s.byShape[h] = t
	s.list = append(s.list, t)
	return t
}

// All returns the templates made so far, in the order of their numbers.
func (s *Shapes) All() []*Template { return s.list }

// Forget marks all templates as not sent.
func (s *Shapes) Forget() {
	for _, t := range s.list {
		t.Sent = false
	}
}
