package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"flowmeter/meter"
	"flowmeter/meter/conf"
	"flowmeter/rules"
)

// schemaFile is the JSON schema of configurations, for editors.
const schemaFile = "../../deploy/schema/config.json"

// TestSchema keeps the schema: it is made from what the program asked for when it read the
// examples of the manual, which between them have every key.
func TestSchema(t *testing.T) {
	m := &schemaMaker{t: t, types: map[string]*schemaType{}}
	docs := examples(t)
	file, err := filepath.Abs(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("../..") // the files that examples name are there
	for _, doc := range docs {
		m.read(doc)
	}
	want := m.schema()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is not what the program reads; renew it with -update (-want +got):\n%s", file, diff)
	}
}

// examples are the texts of whole configurations.
func examples(t *testing.T) (all []string) {
	files, _ := filepath.Glob("../../docs/recipes/*.yaml")
	for _, file := range append(files, "../../config.example.yaml", "testdata/schema-rest.yaml", "testdata/schema-web.yaml") {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(src))
	}
	for _, page := range manual(t) {
		for _, b := range blocks(t, page) {
			if b.info != "yaml" || strings.Contains(b.text, "# mistakes") {
				continue
			}
			if _, isList := strings.CutPrefix(strings.TrimLeft(withoutComments(b.text), "\n"), "-"); isList {
				b.text = "rulesets:\n- rules:\n" + indent(b.text)
			}
			all = append(all, b.text)
		}
	}
	return all
}

func withoutComments(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			out.WriteString(line)
		}
	}
	return out.String()
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") + "\n" }

// schemaType is a mapping, known by its keys, and what was seen of their values.
type schemaType struct {
	keys   []string
	values map[string][]seen
}

// seen is a value and what was asked for of it.
type seen struct {
	node *yaml.Node
	form *conf.Form
}

type schemaMaker struct {
	t     *testing.T
	types map[string]*schemaType
	root  string
	forms []conf.Forms
}

func (m *schemaMaker) read(text string) {
	doc, c := conf.Parse("example", []byte(text))
	c.Forms = conf.Forms{}
	var section exporterSection
	if _, err := meter.ReadSettings(doc, rules.DefaultNetworks(), section.fields()); err != nil {
		m.t.Fatalf("%v\n%s", err, text)
	}
	m.forms = append(m.forms, c.Forms)
	m.root = nameOf(c.Forms[doc.Node].Keys)
	for node, f := range c.Forms {
		if f.Keys == nil {
			continue
		}
		name := nameOf(f.Keys)
		if m.types[name] == nil {
			m.types[name] = &schemaType{f.Keys, map[string][]seen{}}
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			value := resolved(node.Content[i+1])
			key := node.Content[i].Value
			m.types[name].values[key] = append(m.types[name].values[key], seen{value, c.Forms[value]})
		}
	}
}

func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func nameOf(keys []string) string { return strings.Join(keys, "-") }

// schema writes all of it.
func (m *schemaMaker) schema() string {
	defs := map[string]any{}
	for name, s := range m.types {
		properties := map[string]any{}
		for _, key := range s.keys {
			if s.values[key] == nil {
				m.t.Errorf("no example of the manual has %q beside %v", key, s.keys)
			}
			properties[key] = orNothing(m.union(s.values[key]))
		}
		defs[name] = map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	}
	text, err := json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "meter's configuration",
		"$ref": "#/$defs/" + m.root, "$defs": defs,
	}, "", " ")
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text) + "\n"
}

// orNothing lets nothing stand behind a key, too.
func orNothing(schema any) any {
	return map[string]any{"anyOf": []any{schema, map[string]any{"type": "null"}}}
}

// union returns what fits any of some values.
func (m *schemaMaker) union(values []seen) any {
	var texts []string
	any_ := []any{}
	for _, v := range values {
		for _, one := range m.kinds(v) {
			text, _ := json.Marshal(one)
			if !slices.Contains(texts, string(text)) {
				texts, any_ = append(texts, string(text)), append(any_, one)
			}
		}
	}
	slices.SortFunc(any_, func(a, b any) int {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		return strings.Compare(string(x), string(y))
	})
	switch len(any_) {
	case 0:
		return map[string]any{}
	case 1:
		return any_[0]
	}
	return map[string]any{"anyOf": any_}
}

// kinds returns the schemas of one value: one for each way in which it was read.
func (m *schemaMaker) kinds(v seen) (all []any) {
	f := v.form
	if f == nil { // nothing stands there, or nothing was asked of it
		return nil
	}
	add := func(is bool, schema map[string]any) {
		if is {
			all = append(all, schema)
		}
	}
	add(f.Keys != nil, map[string]any{"$ref": "#/$defs/" + nameOf(f.Keys)})
	add(f.Pairs && f.Keys == nil, map[string]any{"type": "object"})
	add(f.List, map[string]any{"type": "array", "items": m.items(v.node)})
	add(f.Words != nil, map[string]any{"enum": f.Words})
	if f.Range != nil && f.Words == nil {
		add(true, map[string]any{"type": "integer", "minimum": f.Range[0], "maximum": f.Range[1]})
	}
	add(f.Truth, map[string]any{"type": "boolean"})
	add(f.Duration, map[string]any{"type": "string", "pattern": `^[0-9.]+(ns|us|µs|ms|s|m|h)([0-9.]+(ns|us|µs|ms|s|m|h))*$`})
	add(f.Size, map[string]any{"type": []string{"integer", "string"}, "pattern": `^[0-9]+ *(B|KiB|MiB|GiB|TiB)?$`})
	add(f.Percent, map[string]any{"type": "string", "pattern": `^[0-9]+%$`})
	add(f.Text && f.Range == nil && f.Words == nil, map[string]any{"type": []string{"string", "number", "boolean"}})
	return all
}

// items is of the items of a list.
func (m *schemaMaker) items(list *yaml.Node) any {
	var values []seen
	for _, n := range list.Content {
		n = resolved(n)
		for _, forms := range m.forms {
			if forms[n] != nil {
				values = append(values, seen{n, forms[n]})
			}
		}
	}
	return m.union(values)
}

// TestSchemaFits: the schema takes every example of the manual, and none of the mistakes
// that a schema can tell.
func TestSchemaFits(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	check := func(text string) error {
		var doc any
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.Marshal(textKeys(doc))
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(asJSON)))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(value)
	}
	for _, text := range examples(t) {
		if err := check(text); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
	for _, text := range []string{
		"metre: {id: 1}", "meter: {id: one}", "rulesets: [{name: a, timeouts: {idle: 15}}]", "rulesets: [{orient: back}]",
		"rulesets: [{rules: [{do: coutn}]}]", "rulesets: [{rules: [{if: tcp, then: [{iff: tcp}]}]}]", "exporters: [{ipfix: {transport: sctp}}]",
		"rulesets: {name: a}", "meter: {workers: 0}", "exporters: [{netflow9: {queue: {records: many}}}]", "rulesets: [{overload: {flood: 90}}]",
	} {
		if check(text) == nil {
			t.Errorf("the schema takes %s", text)
		}
	}
}

// textKeys makes the keys of mappings texts, as in JSON.
func textKeys(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = textKeys(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = textKeys(v[key])
		}
	case map[any]any:
		texts := map[string]any{}
		for key, value := range v {
			texts[fmt.Sprint(key)] = textKeys(value)
		}
		return texts
	}
	return v
}
