package rules

import "gopkg.in/yaml.v3"

// This file works out, before any packet is seen, what keys a rule set can
// save and which of its rules can be reached.

// fate is what can have become of one endpoint's address on the way to a rule.
type fate uint8

const (
	unsaved fate = iota
	missing      // saved, but of the other IP version
	masked
	whole
)

// A keyState is the part of a pass's state that decides whether a key holds
// both addresses: explicit (1 bit), source (2 bits), destination (2 bits).
type keyState uint8

const keyStates = 32

func (k keyState) explicit() bool { return k&1 != 0 }
func (k keyState) src() fate      { return fate(k >> 1 & 3) }
func (k keyState) dst() fate      { return fate(k >> 3 & 3) }

func newKeyState(explicit bool, src, dst fate) keyState {
	return keyState(bit(explicit)) | keyState(src)<<1 | keyState(dst)<<3
}

// conversational tells whether a key saved in this state, if there is one,
// holds both addresses whole.
func (k keyState) conversational() bool {
	return !k.explicit() || k.src() == missing || k.dst() == missing || k.src() == whole && k.dst() == whole
}

// keySet is a set of keyStates; empty means that the place is never reached.
type keySet uint32

func (ks keySet) each(f func(keyState) keyState) keySet {
	var out keySet
	for k := keyState(0); k < keyStates; k++ {
		if ks>>k&1 != 0 {
			out |= 1 << f(k)
		}
	}
	return out
}

// families are walked one by one: a save of ip.src says nothing of IPv6.
var families = []have{0, arp4 | isARP, anyIP | ip4, anyIP | ip6}

// A walk follows all ways through a rule set for one family.
type walk struct {
	family   have
	counted  keySet
	left     map[*rule]keySet // blocks → states in which they are left
	returned map[uint8]keySet // of the call that is followed
	reached  map[*yaml.Node]bool
	never    []*rule // the first of each list whose rules before it let nothing by
}

func newWalk(family have) *walk {
	return &walk{family: family, left: map[*rule]keySet{}, returned: map[uint8]keySet{}, reached: map[*yaml.Node]bool{}}
}

// rules returns the states in which the end of the list is reached.
func (w *walk) rules(list []*rule, in keySet) keySet {
	alive := in != 0
	for _, r := range list {
		switch {
		case in != 0:
			w.reached[r.at.Node] = true
		case alive:
			w.never = append(w.never, r)
			alive = false
		}
		in = w.rule(r, in)
	}
	return in
}

func (w *walk) rule(r *rule, in keySet) keySet {
	out := w.body(r, in)
	if r.cond != nil {
		out |= w.rules(r.els, in)
	}
	return out
}

func (w *walk) body(r *rule, in keySet) keySet {
	if r.explicit {
		in = in.each(func(k keyState) keyState { return k | 1 })
	}
	if r.matched.Node != nil && r.cond != nil {
		in = w.matched(r.cond, in)
	}
	for _, s := range r.saves {
		in = in.each(func(k keyState) keyState { return w.save(s, k) })
	}
	if r.call != nil {
		in = w.call(r, in)
	}
	in = w.rules(r.then, in) | w.left[r]
	delete(w.left, r)
	switch r.do {
	case doNext:
		return in
	case doCount:
		w.counted |= in
	case doReturn:
		w.returned[r.number] |= in
	case doLeave:
		w.left[r.leave] |= in
	}
	return 0
}

// call returns the states in which a call is over.
func (w *walk) call(r *rule, in keySet) (out keySet) {
	outer := w.returned
	w.returned = map[uint8]keySet{}
	w.returned[0] |= w.rules(r.call.rules, in)
	back := w.returned
	w.returned = outer
	for _, a := range r.on {
		out |= w.rules(a.rules, back[a.number])
		delete(back, a.number)
	}
	for _, states := range back {
		out |= states
	}
	return out
}

// matched adds the states after any of the condition's operands was saved,
// under its mask.
func (w *walk) matched(k *cond, in keySet) keySet {
	k.operands(func(k *cond) {
		s := unmasked(k.field)
		s.bits = 0
		in |= in.each(func(k keyState) keyState { return w.save(s, k) })
	})
	return in
}

// save returns the state after an attribute was saved.
func (w *walk) save(s saved, k keyState) keyState {
	end := func(was fate) fate {
		need := s.need()
		switch {
		case need&arp4 != 0 && need&w.family == need:
			return masked // whatever it is, no worker is chosen by it
		case need&w.family == need && int(s.bits) >= maskWidth(s.field) && !s.constant:
			return whole
		case need&w.family == need:
			return masked
		case was == unsaved:
			return missing
		}
		return was
	}
	src, dst := k.src(), k.dst()
	switch s.field.attr {
	case SrcAddr:
		src = end(src)
	case DstAddr:
		dst = end(dst)
	}
	return newKeyState(k.explicit(), src, dst)
}

// start is the set with nothing saved.
const start keySet = 1

// isConversational tells whether every key holds both addresses, unmasked.
func isConversational(rules []*rule) bool {
	for _, family := range families {
		w := newWalk(family)
		w.rules(rules, start)
		if (w.counted &^ conversationalKeys()) != 0 {
			return false
		}
	}
	return true
}

func conversationalKeys() keySet {
	var ks keySet
	for k := keyState(0); k < keyStates; k++ {
		if k.conversational() {
			ks |= 1 << k
		}
	}
	return ks
}

// isFused tells whether the only key is the five-tuple: no other save:, no
// computed attribute.
func isFused(rules []*rule) bool {
	fused := true
	visit(rules, func(r *rule) {
		if r.explicit && (r.matched.Node != nil || !savesFiveTuple(r.saves)) {
			fused = false
		}
		for _, s := range r.sets {
			fused = fused && s.field.attr == 0
		}
	})
	return fused
}

// savesFiveTuple tells whether a save: list makes the key that is made
// without one.
func savesFiveTuple(list []saved) bool {
	var all Attr
	for _, s := range list {
		if s.bits != wholeBits || s.mask != wholeMask || s.constant || s.field.from[0].need&^(anyIP|ports) != 0 {
			return false
		}
		all |= s.field.attr
	}
	return all|Version == FiveTuple
}
