// Package collect is the collector side: it decodes NetFlow v5, NetFlow v9 and
// IPFIX into records of names and values, checks what an exporter may get
// wrong (lengths, sequence numbers, templates, checksums), and prints records
// as JSON lines with the names that the meter's own JSON has. It is for
// checking exporters and network paths, not for collecting at speed.
package collect

import (
	"math"
	"strconv"

	"flowmeter/meter/flow"
)

// Record is one data record or options data record.
type Record struct {
	Exporter   string // who sent it, as told to Decode
	Version    uint16 // 5, 9 or 10
	Domain     uint32 // observation domain; source id of v9; engine type<<8 | id of v5
	Template   uint16 // 0 in v5
	ExportTime int64  // of its message, ns since 1970
	Options    bool   // made with an options template: about the exporter, not a flow
	Fields     []Field
}

// Field is an information element's name and value.
type Field struct {
	Name string
	// Value is a uint64, int64, float64, bool or string, as JSON shows it; of lists
	// (RFC 6313) []any of these or, where each is a record, of []Field.
	Value any
}

// Get returns the value of the field of that name, nil if there is none.
func (r *Record) Get(name string) any {
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			return r.Fields[i].Value
		}
	}
	return nil
}

// AppendJSON appends the record as a line of JSON: who sent it, then its
// fields in the order of the template.
func (r *Record) AppendJSON(dst []byte) []byte {
	dst = flow.AppendJSONString(append(dst, `{"exporter":`...), r.Exporter)
	dst = strconv.AppendUint(append(dst, `,"version":`...), uint64(r.Version), 10)
	dst = strconv.AppendUint(append(dst, `,"domain":`...), uint64(r.Domain), 10)
	if r.Template != 0 {
		dst = strconv.AppendUint(append(dst, `,"template":`...), uint64(r.Template), 10)
	}
	dst = flow.AppendTime(append(dst, `,"exportTime":"`...), r.ExportTime, flow.ToSeconds)
	dst = append(dst, '"')
	if r.Options {
		dst = append(dst, `,"options":true`...)
	}
	if len(r.Fields) > 0 {
		dst = appendFields(append(dst, ','), r.Fields)
	}
	return append(dst, '}', '\n')
}

func appendFields(dst []byte, fields []Field) []byte {
	for i := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = flow.AppendJSONString(dst, fields[i].Name)
		dst = appendValue(append(dst, ':'), fields[i].Value)
	}
	return dst
}

func appendList(dst []byte, list []any) []byte {
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, v)
	}
	return append(dst, ']')
}

func appendValue(dst []byte, value any) []byte {
	switch v := value.(type) {
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return appendFloat(dst, v)
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		return flow.AppendJSONString(dst, v)
	case []any:
		return appendList(dst, v)
	case []Field:
		return append(appendFields(append(dst, '{'), v), '}')
	}
	return append(dst, "null"...)
}

// appendFloat writes what JSON has no number for (NaN, infinities) as a string.
func appendFloat(dst []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return flow.AppendJSONString(dst, strconv.FormatFloat(v, 'g', -1, 64))
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}
