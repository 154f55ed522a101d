// Package conf reads YAML strictly: unknown and repeated keys are errors,
// every error says file, line and column and what to do, and all of them are
// reported at once.
package conf

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Error is one mistake in a configuration file.
type Error struct {
	File      string
	Line, Col int    // from 1; 0 if unknown
	Msg       string // what is wrong
	Hint      string // what to do; may be empty
}

func (e Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s += ":" + strconv.Itoa(e.Line) + ":" + strconv.Itoa(e.Col)
	}
	s += ": " + e.Msg
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Errors is all the mistakes of a configuration, in the order of the file.
type Errors []Error

func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Collector gathers Errors and warnings while a file is read.
type Collector struct {
	File     string
	Errors   Errors
	Warnings Errors
	Forms    Forms // nil: they are not kept
}

// Err returns the errors found, sorted by position, or nil.
func (c *Collector) Err() error {
	if len(c.Errors) == 0 {
		return nil
	}
	c.Errors.Sort()
	return c.Errors
}

// Sort puts mistakes in the order of each file.
func (es Errors) Sort() {
	slices.SortStableFunc(es, func(a, b Error) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Col-b.Col)
	})
}

// Warned returns the warnings, sorted by position.
func (c *Collector) Warned() Errors {
	c.Warnings.Sort()
	return c.Warnings
}

// Value is a YAML node and where its mistakes go.
type Value struct {
	*yaml.Node
	C *Collector
}

// Parse reads one YAML document. A syntax error is put into the Collector and
// the Value then is empty.
func Parse(file string, src []byte) (Value, *Collector) {
	c := &Collector{File: file}
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil {
		c.Errors = append(c.Errors, syntaxError(file, err))
		return Value{&yaml.Node{}, c}, c
	}
	if len(doc.Content) == 0 {
		return Value{&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: 1, Column: 1}, c}, c
	}
	v := Value{doc.Content[0], c}
	v.refuseLostTags(strings.Split(string(src), "\n"))
	return v.resolve(), c
}

// refuseLostTags finds values that begin with a ! and a space: YAML takes the
// ! for a tag without a name and drops it, so that "if: ! tcp" would mean its
// opposite.
func (v Value) refuseLostTags(lines []string) {
	plain := v.Kind == yaml.ScalarNode && v.Style == 0
	if plain && v.Line <= len(lines) && strings.HasPrefix(lines[v.Line-1][min(v.Column-1, len(lines[v.Line-1])):], "! ") {
		v.Errorf("write it in quotes: \"! "+v.Value+"\"", "YAML drops the ! that stands alone here")
	}
	for _, n := range v.Content {
		Value{n, v.C}.refuseLostTags(lines)
	}
}

// syntaxError takes the line out of yaml.v3's "yaml: line N: …".
func syntaxError(file string, err error) Error {
	e := Error{File: file, Msg: strings.TrimPrefix(err.Error(), "yaml: "), Hint: "this is not well-formed YAML"}
	if rest, ok := strings.CutPrefix(e.Msg, "line "); ok {
		if num, msg, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(num); err == nil {
				e.Line, e.Col, e.Msg = n, 1, msg
			}
		}
	}
	return e
}

// resolve follows an alias to what it stands for.
func (v Value) resolve() Value {
	for v.Kind == yaml.AliasNode {
		v.Node = v.Node.Alias
	}
	return v
}

// At returns n as a Value of the same file.
func (v Value) At(n *yaml.Node) Value { return Value{n, v.C}.resolve() }

// Errorf reports a mistake at v. The hint says what to do; it may be empty.
func (v Value) Errorf(hint, format string, args ...any) {
	v.ErrorAt(0, hint, format, args...)
}

// ErrorAt reports a mistake at the given octet of a scalar's text, as far as
// YAML lets tell where that stands (plain and quoted scalars on one line).
func (v Value) ErrorAt(offset int, hint, format string, args ...any) {
	col := v.Column
	if v.Kind == yaml.ScalarNode {
		col += offset
		if v.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			col++
		}
	}
	v.C.Errors = append(v.C.Errors, Error{v.C.File, v.Line, col, fmt.Sprintf(format, args...), hint})
}

// Warnf reports what is allowed but hardly meant.
func (v Value) Warnf(hint, format string, args ...any) {
	v.C.Warnings = append(v.C.Warnings, Error{v.C.File, v.Line, v.Column, fmt.Sprintf(format, args...), hint})
}

// IsNull tells whether nothing stands after a key.
func (v Value) IsNull() bool { return v.Kind == yaml.ScalarNode && v.Tag == "!!null" }

// Fields says how to read each key of a mapping.
type Fields map[string]func(Value)

// Map reads a mapping, key by key. Unknown and repeated keys are errors.
func (v Value) Map(fields Fields) {
	v.askedKeys(fields)
	if v.Kind != yaml.MappingNode {
		v.Errorf("write key: value lines", "expected a mapping, found %s", v.describe())
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(v.Content); i += 2 {
		key, val := v.At(v.Content[i]), v.At(v.Content[i+1])
		read, known := fields[key.Value]
		switch {
		case !known:
			key.Errorf(nearest(key.Value, fields), "unknown key %q", key.Value)
		case seen[key.Value]:
			key.Errorf("remove one of the two", "key %q stands here twice", key.Value)
		default:
			read(val)
		}
		seen[key.Value] = true
	}
}

// Pairs calls f for each key and value of a mapping, in order.
func (v Value) Pairs(f func(key, val Value)) {
	v.asked(func(f *Form) { f.Pairs = true })
	if v.Kind != yaml.MappingNode {
		v.Errorf("write key: value lines", "expected a mapping, found %s", v.describe())
		return
	}
	for i := 0; i+1 < len(v.Content); i += 2 {
		f(v.At(v.Content[i]), v.At(v.Content[i+1]))
	}
}

// Each calls f for each item of a list.
func (v Value) Each(f func(Value)) {
	v.asked(func(f *Form) { f.List = true })
	if v.Kind != yaml.SequenceNode {
		v.Errorf("write a list: [a, b] or lines that begin with -", "expected a list, found %s", v.describe())
		return
	}
	for _, n := range v.Content {
		f(v.At(n))
	}
}

// Strings reads a list of strings; one string stands for a list of one.
func (v Value) Strings() []string {
	if v.Kind == yaml.ScalarNode {
		return []string{v.Str()}
	}
	var out []string
	v.Each(func(item Value) { out = append(out, item.Str()) })
	return out
}

// Str reads a scalar as text, whatever it looks like.
func (v Value) Str() string {
	v.asked(func(f *Form) { f.Text = true })
	if v.Kind != yaml.ScalarNode {
		v.Errorf("", "expected text, found %s", v.describe())
		return ""
	}
	return v.Value
}

// Int reads an integer from lo to hi. 0x and _ are understood.
func (v Value) Int(lo, hi int64) int64 {
	v.asked(func(f *Form) { f.Range = []int64{lo, hi} })
	n, err := strconv.ParseInt(v.Value, 0, 64)
	if v.Kind != yaml.ScalarNode || err != nil {
		v.Errorf("", "expected an integer, found %s", v.describe())
		return lo
	}
	if n < lo || n > hi {
		v.Errorf("", "%d is out of range: %d to %d", n, lo, hi)
		return lo
	}
	return n
}

// Bool reads true or false.
func (v Value) Bool() bool {
	v.asked(func(f *Form) { f.Truth = true })
	if v.Kind != yaml.ScalarNode || v.Tag != "!!bool" {
		v.Errorf("write true or false", "expected true or false, found %s", v.describe())
		return false
	}
	return strings.EqualFold(v.Value, "true")
}

// Duration reads a duration with its unit, from lo to hi.
func (v Value) Duration(lo, hi time.Duration) time.Duration {
	v.asked(func(f *Form) { f.Duration = true })
	d, err := time.ParseDuration(v.Value)
	if v.Kind != yaml.ScalarNode || err != nil {
		v.Errorf("write a number with its unit: 500ms, 15s, 5m, 1h30m", "expected a duration, found %s", v.describe())
		return lo
	}
	if d < lo || d > hi {
		v.Errorf("", "%v is out of range: %v to %v", d, lo, hi)
		return lo
	}
	return d
}

var sizeUnits = map[string]int64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

// Size reads a number of octets, with its unit (KiB, MiB, GiB, TiB) or without,
// from lo to hi.
func (v Value) Size(lo, hi int64) int64 {
	v.asked(func(f *Form) { f.Size = true })
	number := strings.TrimRight(v.Value, "BKMGTi")
	unit, known := sizeUnits[v.Value[len(number):]]
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if v.Kind != yaml.ScalarNode || !known || err != nil || n < 0 {
		v.Errorf("write a number with its unit: 512MiB, 1GiB", "expected a size, found %s", v.describe())
		return lo
	}
	if n > math.MaxInt64/unit || n*unit < lo || n*unit > hi {
		v.Errorf("", "%s is out of range: %d to %d octets", v.Value, lo, hi)
		return lo
	}
	return n * unit
}

// Percent reads a whole number of per cent with its sign, from lo to hi.
func (v Value) Percent(lo, hi int) int {
	v.asked(func(f *Form) { f.Percent = true })
	number, signed := strings.CutSuffix(v.Value, "%")
	n, err := strconv.Atoi(number)
	if v.Kind != yaml.ScalarNode || !signed || err != nil {
		v.Errorf("write a whole number and its sign: 90%", "expected a percentage, found %s", v.describe())
		return lo
	}
	if n < lo || n > hi {
		v.Errorf("", "%d%% is out of range: %d%% to %d%%", n, lo, hi)
		return lo
	}
	return n
}

// Enum reads one of the given words and returns its index.
func (v Value) Enum(words ...string) int {
	v.asked(func(f *Form) { f.Words = words })
	i := slices.Index(words, v.Value)
	if v.Kind != yaml.ScalarNode || i < 0 {
		v.Errorf("one of: "+strings.Join(words, ", "), "unknown value %s", v.describe())
		return 0
	}
	return i
}

// Text returns what a value says in one form: two that mean the same, whatever
// their comments and layout, have the same.
func (v Value) Text() string {
	var b strings.Builder
	writeText(&b, v)
	return b.String()
}

func writeText(b *strings.Builder, v Value) {
	if v.Kind == yaml.ScalarNode {
		fmt.Fprintf(b, "%s %q", v.Tag, v.Value)
		return
	}
	fmt.Fprintf(b, "%d(", v.Kind)
	for _, n := range v.Content {
		writeText(b, v.At(n))
		b.WriteByte(',')
	}
	b.WriteByte(')')
}

func (v Value) describe() string {
	switch v.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if v.IsNull() {
			return "nothing"
		}
		return strconv.Quote(v.Value)
	}
	return "nothing"
}

// nearest returns a hint that names the known key most like the one written.
func nearest(word string, fields Fields) string {
	known := make([]string, 0, len(fields))
	for k := range fields {
		known = append(known, k)
	}
	slices.Sort(known)
	if near := Nearest(word, known); near != "" {
		return "did you mean " + near + "?"
	}
	return "known here: " + strings.Join(known, ", ")
}

// Nearest returns the word of known that is closest to word, or "" if none
// is close enough to have been meant.
func Nearest(word string, known []string) string {
	best, bestDist := "", 1+len(word)/3
	for _, k := range known {
		if d := distance(word, k); d <= bestDist && (best == "" || d < bestDist) {
			best, bestDist = k, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diag := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diag
			if a[i-1] != b[j-1] {
				cost++
			}
			diag = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
