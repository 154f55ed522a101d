package collect

import (
	"bytes"
	"math/rand/v2"
	"testing"

	goflow3 "github.com/cloudflare/goflow/v3/decoders/netflow"
	goflow2 "github.com/netsampler/goflow2/v2/decoders/netflow"
)

// The cross-checks compare how a message falls apart into records and fields
// with what two other decoders say; those return octets without names, which
// are shown here as this package shows them.

// expected gathers what another decoder found as lines of JSON.
type expected struct {
	names names
	lines []byte
}

// octets is a field as other decoders return it.
type octets struct {
	enterprise
	value any // []byte
}

func (e *expected) add(head Record, options bool, fields []octets) {
	head.Options = options
	specs := make([]specifier, len(fields))
	for i, f := range fields {
		specs[i] = specifier{enterprise: f.enterprise, length: variable}
	}
	t := newTemplate(specs, 0, e.names)
	m := ipfixMessage{s: &session{names: e.names}}
	for i, f := range fields {
		value, _ := f.value.([]byte)
		if f.enterprise != (enterprise{id: paddingOctets}) {
			head.Fields = append(head.Fields, Field{t.elements[i].name, m.show(&t.elements[i], value, 0)})
		}
	}
	head.Fields = joinPrefixes(head.Fields)
	e.lines = head.AppendJSON(e.lines)
}

func ours(t *testing.T, messages [][]byte) string {
	t.Helper()
	d := NewDecoder(Default())
	var lines []byte
	for _, m := range messages {
		recs, err := d.Decode("x", m)
		if err != nil {
			t.Fatalf("%v in %x", err, m)
		}
		for i := range recs {
			lines = recs[i].AppendJSON(lines)
		}
	}
	return string(lines)
}

func TestAgainstGoflow2(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	cases := [][][]byte{}
	for _, v := range vectors {
		if m := unhex(t, v.message); m[1] == 10 {
			cases = append(cases, [][]byte{m})
		}
	}
	for range 500 {
		cases = append(cases, randomMessages(rng, false))
	}
	for _, messages := range cases {
		if got, want := ours(t, messages), byGoflow2(t, messages); got != want {
			t.Fatalf("%x\ngot\n%swant\n%s", messages, got, want)
		}
	}
}

// byGoflow2 decodes with goflow2 v2, which reads enterprise numbers and
// variable lengths. It leaves the enterprise bit in the numbers of options.
func byGoflow2(t *testing.T, messages [][]byte) string {
	t.Helper()
	e := expected{names: newNames(Default().Enterprise)}
	templates := goflow2.CreateTemplateSystem()
	for _, m := range messages {
		var p goflow2.IPFIXPacket
		if err := goflow2.DecodeMessageVersion(bytes.NewBuffer(m), templates, nil, &p); err != nil {
			t.Fatalf("goflow2: %v in %x", err, m)
		}
		for _, fs := range p.FlowSets {
			head := Record{Exporter: "x", Version: 10, Domain: p.ObservationDomainId, ExportTime: int64(p.ExportTime) * 1e9}
			switch fs := fs.(type) {
			case goflow2.DataFlowSet:
				for _, r := range fs.Records {
					head.Template = fs.Id
					e.add(head, false, goflow2Fields(r.Values))
				}
			case goflow2.OptionsDataFlowSet:
				for _, r := range fs.Records {
					head.Template = fs.Id
					e.add(head, true, append(goflow2Fields(r.ScopesValues), goflow2Fields(r.OptionsValues)...))
				}
			}
		}
	}
	return string(e.lines)
}

func goflow2Fields(values []goflow2.DataField) (out []octets) {
	for _, v := range values {
		out = append(out, octets{enterprise{v.Pen, v.Type &^ (1 << 15)}, v.Value})
	}
	return out
}

func TestAgainstGoflow3(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 500 {
		messages := randomMessages(rng, true)
		if got, want := ours(t, messages), byGoflow3(t, messages); got != want {
			t.Fatalf("%x\ngot\n%swant\n%s", messages, got, want)
		}
	}
}

func byGoflow3(t *testing.T, messages [][]byte) string {
	t.Helper()
	e := expected{names: newNames(Default().Enterprise)}
	templates := goflow3.CreateTemplateSystem()
	for _, m := range messages {
		decoded, err := goflow3.DecodeMessage(bytes.NewBuffer(m), templates)
		if err != nil {
			t.Fatalf("goflow v3: %v in %x", err, m)
		}
		p := decoded.(goflow3.IPFIXPacket)
		for _, fs := range p.FlowSets {
			head := Record{Exporter: "x", Version: 10, Domain: p.ObservationDomainId, ExportTime: int64(p.ExportTime) * 1e9}
			switch fs := fs.(type) {
			case goflow3.DataFlowSet:
				for _, r := range fs.Records {
					head.Template = fs.Id
					e.add(head, false, goflow3Fields(r.Values))
				}
			case goflow3.OptionsDataFlowSet:
				for _, r := range fs.Records {
					head.Template = fs.Id
					e.add(head, true, append(goflow3Fields(r.ScopesValues), goflow3Fields(r.OptionsValues)...))
				}
			}
		}
	}
	return string(e.lines)
}

func goflow3Fields(values []goflow3.DataField) (out []octets) {
	for _, v := range values {
		out = append(out, octets{enterprise{id: v.Type}, v.Value})
	}
	return out
}
