package rules

import (
	"net/netip"
	"slices"
)

// A span is the numbers from lo to hi, both included.
type span struct{ lo, hi uint64 }

// values is the set of values that a test looks for: spans of numbers, MAC
// addresses and names, or prefixes of addresses.
type values struct {
	spans    []span // sorted, disjoint, not touching
	prefixes []netip.Prefix
	list     *prefixList // the list that prefixes are from, if they are a whole $name
	ranged   bool        // some prefixes are not as they were written, but parts of a range
	shared   bool        // all are those of a $name, in order, which others have too
}

// sort brings the spans into order and joins those that overlap or touch.
func (vs *values) sort() {
	if vs.shared {
		return
	}
	slices.SortFunc(vs.spans, func(a, b span) int {
		if a.lo < b.lo {
			return -1
		}
		return bool2int(a.lo > b.lo)
	})
	joined := vs.spans[:0]
	for _, s := range vs.spans {
		if n := len(joined); n > 0 && s.lo <= joined[n-1].hi+1 {
			joined[n-1].hi = max(joined[n-1].hi, s.hi)
		} else {
			joined = append(joined, s)
		}
	}
	vs.spans = joined
}

// add adds the values of a $name, which stay as they are.
func (vs *values) add(named *values) {
	if vs.size() == 0 {
		*vs = named.named()
		return
	}
	vs.list, vs.shared, vs.ranged = nil, false, vs.ranged || named.ranged
	vs.spans, vs.prefixes = append(vs.spans, named.spans...), append(vs.prefixes, named.prefixes...)
}

// named returns the values for others that may add to them.
func (vs *values) named() values {
	all := *vs
	all.spans, all.prefixes, all.shared = slices.Clip(vs.spans), slices.Clip(vs.prefixes), true
	return all
}

func (vs *values) size() int { return len(vs.spans) + len(vs.prefixes) }

func (vs *values) holds(n uint64) bool {
	for _, s := range vs.spans {
		if s.lo <= n && n <= s.hi {
			return true
		}
	}
	return false
}

func bool2int(b bool) int { return int(bit(b)) }

// rangePrefixes cuts the addresses from lo to hi into prefixes: at most two of
// each length.
func rangePrefixes(lo, hi netip.Addr) []netip.Prefix {
	var prefixes []netip.Prefix
	for {
		p := widest(lo, hi)
		prefixes = append(prefixes, p)
		end := lastAddr(p)
		if end == hi {
			return prefixes
		}
		lo = end.Next()
	}
}

// widest returns the largest prefix that begins at lo and ends at or before hi.
func widest(lo, hi netip.Addr) netip.Prefix {
	for bits := 0; bits < lo.BitLen(); bits++ {
		p := netip.PrefixFrom(lo, bits)
		if p.Masked() == p && lastAddr(p).Compare(hi) <= 0 {
			return p
		}
	}
	return netip.PrefixFrom(lo, lo.BitLen())
}

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
