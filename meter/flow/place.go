package flow

import "unsafe"

// Place is where a value stands in a Record, in the processor's order of octets.
type Place struct {
	at   unsafe.Pointer
	size uint8 // 1, 2, 4 or 8 octets, or those of an address
}

func placeOf[T ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~int64](v *T) Place {
	return Place{unsafe.Pointer(v), uint8(unsafe.Sizeof(*v))}
}

func (p Place) load() uint64 {
	switch p.size {
	case 1:
		return uint64(*(*uint8)(p.at))
	case 2:
		return uint64(*(*uint16)(p.at))
	case 4:
		return uint64(*(*uint32)(p.at))
	}
	return *(*uint64)(p.at)
}

// readPlace has Uint read a field that is known by its Place alone.
func (f *Field) readPlace() {
	if place := f.Place; place != nil && f.Uint == nil {
		f.Uint = func(r *Record, w Way) uint64 { return place(r, w).load() }
	}
}

// Offset tells how many octets from the beginning of every Record that has h the
// field stands, and how many it has: numbers as the processor keeps them,
// addresses as on the wire. A field that is computed has none.
func (f *Field) Offset(w Way, h Has) (offset uintptr, size int) {
	var r Record
	p := Place{}
	switch {
	case f.Place != nil && (!f.Filled || h&(HasForward<<w) != 0):
		p = f.Place(&r, w)
	case f.Bytes != nil:
		b := f.Bytes(&r, w)
		p = Place{unsafe.Pointer(unsafe.SliceData(b)), uint8(len(b))}
	default:
		return 0, 0
	}
	return uintptr(p.at) - uintptr(unsafe.Pointer(&r)), int(p.size)
}
