package text

import (
	"strings"

	"flowmeter/meter/flow"
	"flowmeter/rules"
)

// Identity writes what identifies a flow, as the table of the largest does:
// "udp 10.1.2.3:4000 > 192.0.2.1:53".
func Identity(r *flow.Record) string {
	var words []string
	if r.Key.Saved&rules.Proto != 0 {
		words = append(words, protocol(r.Key.Proto))
	}
	words = append(words, endpoints(&r.Key))
	if also := saved(r); also != "" {
		words = append(words, also)
	}
	for _, f := range flow.Model(flow.ToMillis) {
		if f.Private && f.Text != nil && f.Needs != 0 && f.In(r, flow.Forward) && f.Text(r, flow.Forward) != "" {
			words = append(words, strings.TrimSuffix(f.Name, "Name")+" "+f.Text(r, flow.Forward))
		}
	}
	return strings.Join(words, " ")
}

func endpoints(k *rules.Key) string {
	end := func(e *rules.End, addr, mac, port rules.Attr) string {
		return endpoint(e, k.Saved&addr != 0, k.Saved&mac != 0, k.Saved&port != 0)
	}
	return end(&k.Src, rules.SrcAddr, rules.SrcMAC, rules.SrcPort) + " > " + end(&k.Dst, rules.DstAddr, rules.DstMAC, rules.DstPort)
}

// An Identifier writes the same as a JSON object, with the keys of JSON lines.
type Identifier struct{ keys []key }

// NewIdentifier returns one.
func NewIdentifier() *Identifier {
	i := &Identifier{}
	for _, c := range columns(flow.ToMillis) {
		if c.needs != 0 || c.name == "flowId" || c.name == "pieceNumber" {
			i.keys = append(i.keys, newKey(c))
		}
	}
	return i
}

// Append appends the object and a newline.
func (i *Identifier) Append(dst []byte, r *flow.Record) []byte {
	j := JSON{keys: i.keys}
	return j.append(dst, r)
}
