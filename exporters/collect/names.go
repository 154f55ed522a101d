package collect

import (
	"fmt"

	"flowmeter/meter/flow"
	"flowmeter/rules"
)

// reverse is the enterprise number that marks reverse elements (RFC 5103 §6.1).
const reverse = 29305

// enterprise is an element's full number.
type enterprise struct {
	pen uint32 // 0: IANA's
	id  uint16
}

// names tells elements by their numbers.
type names map[enterprise]element

// newNames returns the meter's own elements under the given enterprise number.
func newNames(pen uint32) names {
	n := names{}
	for _, f := range flow.Model(flow.ToMillis) {
		if f.Private {
			n[enterprise{pen, f.ID}] = element{f.Name, f.Type}
		}
		if f.ReverseID != 0 {
			n[enterprise{pen, f.ReverseID}] = element{f.ReverseName(), f.Type}
		}
	}
	for _, f := range flow.Elements() {
		n[enterprise{pen, f.ID}] = element{f.Name, f.Type}
	}
	return n
}

// find returns the element of a number. One that is unknown is named by its
// numbers and shown in hex.
func (n names) find(e enterprise) element {
	if known, ok := n[e]; ok {
		return known
	}
	standard := e.pen == 0 || e.pen == reverse
	if !standard {
		return element{fmt.Sprintf("ie%d.%d", e.pen, e.id), octetArray}
	}
	el := element{fmt.Sprintf("ie%d", e.id), octetArray}
	if int(e.id) < len(iana) && iana[e.id].name != "" {
		el = iana[e.id]
	}
	if e.pen == reverse {
		f := flow.Field{Name: el.name}
		el.name = f.ReverseName()
	}
	return el
}

// spoken gives numbers the text that the meter's JSON has for them.
var spoken = map[string]func(uint64) string{
	"flowId": func(v uint64) string { return fmt.Sprintf("%016x", v) },
	"directionEvidence": func(v uint64) string {
		if v < uint64(rules.NumEvidences) {
			return rules.Evidence(v).String()
		}
		return fmt.Sprint(v)
	},
	"flowClass": func(v uint64) string {
		if v < uint64(rules.NumClasses) {
			return rules.Class(v).String()
		}
		return fmt.Sprint(v)
	},
}

// show returns the value as the meter's JSON shows it.
func (el element) show(b []byte) any {
	v := value(el.typ, b)
	if number, ok := v.(uint64); ok && spoken[el.name] != nil {
		return spoken[el.name](number)
	}
	return v
}
