package collect

import (
	"fmt"
	"slices"
	"strings"
)

// variable is the length in a field specifier of a field that carries its own
// length (RFC 7011 §7).
const variable = 65535

// specifier is a field of a template as it was sent.
type specifier struct {
	enterprise
	length uint16
}

// template says how data records of its id are laid out.
type template struct {
	specs    []specifier
	scopes   int       // leading fields that are scopes; 0 in a template of flows
	elements []element // what each field is, by name
	minimum  int       // octets of the shortest record
	prefixed bool      // has an address prefix, whose length is shown within it
}

// newTemplate returns a template, or nil if most of its records' octets would
// be missing: with more fields of no octets than octets, a small message could
// fill any memory, and of records of no octets nobody could tell how many
// there are.
func newTemplate(specs []specifier, scopes int, n names) *template {
	t := &template{specs: specs, scopes: scopes}
	empty := 0
	for _, s := range specs {
		switch s.length {
		case variable:
			t.minimum++
		case 0:
			empty++
		default:
			t.minimum += int(s.length)
		}
	}
	if empty > t.minimum {
		return nil
	}
	t.resolve(n)
	return t
}

// resolve finds the elements. One that occurs again gets a number after its
// name: observationTimeMilliseconds, observationTimeMilliseconds#2.
func (t *template) resolve(n names) {
	t.elements = make([]element, len(t.specs))
	seen := map[enterprise]int{}
	for i, s := range t.specs {
		el := n.find(s.enterprise)
		t.prefixed = t.prefixed || strings.HasSuffix(el.name, "Prefix")
		if seen[s.enterprise]++; seen[s.enterprise] > 1 {
			el.name = fmt.Sprintf("%s#%d", el.name, seen[s.enterprise])
		}
		t.elements[i] = el
	}
}

func (t *template) equal(o *template) bool {
	return t.scopes == o.scopes && slices.Equal(t.specs, o.specs)
}

// joinPrefixes puts a prefix and its length together, as in "10.1.2.0/24".
func joinPrefixes(fields []Field) []Field {
	for i := 0; i < len(fields); i++ {
		if !strings.HasSuffix(fields[i].Name, "Prefix") {
			continue
		}
		length := slices.IndexFunc(fields, func(f Field) bool { return f.Name == fields[i].Name+"Length" })
		if length < 0 {
			continue
		}
		fields[i].Value = fmt.Sprintf("%v/%v", fields[i].Value, fields[length].Value)
		fields = slices.Delete(fields, length, length+1)
		if length < i {
			i--
		}
	}
	return fields
}
