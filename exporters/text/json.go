package text

import (
	"io"
	"time"

	"flowmeter/meter/flow"
)

// JSON writes records as JSON lines: one object a record, keys in the model's
// order, what a record lacks left out.
type JSON struct {
	lines
	keys []key
}

// key is a column compiled for JSON.
type key struct {
	column
	literal []byte // ,"name":
	quoted  bool   // the value's text stands between quotes
}

// NewJSON returns a writer of JSON lines to w with times of the given
// precision. Fields names the keys that may occur; nil means all. A name that
// is unknown is an error.
func NewJSON(w io.Writer, p flow.Precision, fields []string) (*JSON, error) {
	cols := columns(p)
	if fields != nil {
		var err error
		if cols, err = choose(p, fields); err != nil {
			return nil, err
		}
		byModel(cols)
	}
	j := &JSON{lines: lines{w: w, buf: make([]byte, 0, flushAt+4096)}}
	for _, c := range cols {
		j.keys = append(j.keys, newKey(c))
	}
	return j, nil
}

func newKey(c column) key {
	literal := append(flow.AppendJSONString([]byte{','}, c.name), ':')
	_, isTime := flow.PrecisionOf(c.Type)
	return key{c, literal, c.Quoted || c.Bytes != nil || c.Text != nil || isTime}
}

// Export writes the records of b. They reach w once enough are gathered, or
// with Tick or Close.
func (j *JSON) Export(b *flow.Batch) error {
	for i := range b.Records {
		j.buf = j.append(j.buf, &b.Records[i])
		if err := j.flushIfFull(); err != nil {
			return err
		}
	}
	return nil
}

// Tick writes what was gathered, so that a reader of the lines is never far
// behind.
func (j *JSON) Tick(time.Time) error { return j.flush() }

// Close writes what was gathered. It does not close w.
func (j *JSON) Close() error { return j.flush() }

// append appends r's line.
func (j *JSON) append(dst []byte, r *flow.Record) []byte {
	start := len(dst)
	for i := range j.keys {
		if k := &j.keys[i]; r.Has&k.needs == k.needs {
			dst = k.append(dst, r)
		}
	}
	if len(dst) == start {
		dst = append(dst, '{')
	}
	dst[start] = '{' // in place of the first key's comma
	return append(dst, '}', '\n')
}

// append appends the key and its value; nothing if that is an empty string.
func (k *key) append(dst []byte, r *flow.Record) []byte {
	start := len(dst)
	dst = append(dst, k.literal...)
	if !k.quoted {
		return k.AppendText(dst, r, k.way)
	}
	dst = append(dst, '"')
	value := len(dst)
	dst = k.AppendText(dst, r, k.way)
	if len(dst) == value {
		return dst[:start]
	}
	if !plain(dst[value:]) {
		return flow.AppendJSONString(dst[:value-1], string(dst[value:]))
	}
	return append(dst, '"')
}

// plain tells that text can stand between quotes as it is. All is plain but
// some names that users give.
func plain(text []byte) bool {
	for _, c := range text {
		if c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
