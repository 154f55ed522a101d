package conf

import (
	"strings"
	"testing"
	"time"
)

// sample is a configuration with every kind of value.
type sample struct {
	name  string
	n     int64
	on    bool
	wait  time.Duration
	kind  int
	names []string
}

func (s *sample) fields() Fields {
	return Fields{
		"name":  func(v Value) { s.name = v.Str() },
		"n":     func(v Value) { s.n = v.Int(1, 10) },
		"on":    func(v Value) { s.on = v.Bool() },
		"wait":  func(v Value) { s.wait = v.Duration(time.Second, time.Hour) },
		"kind":  func(v Value) { s.kind = v.Enum("udp", "tcp") },
		"names": func(v Value) { s.names = v.Strings() },
	}
}

func TestMap(t *testing.T) {
	v, c := Parse("f", []byte("name: x\nn: 0x7\non: true\nwait: 1m30s\nkind: tcp\nnames: [a, b]\n"))
	var s sample
	v.Map(s.fields())
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	if s.name != "x" || s.n != 7 || !s.on || s.wait != 90*time.Second || s.kind != 1 || strings.Join(s.names, "") != "ab" {
		t.Errorf("read %+v", s)
	}
}

func TestOneForAList(t *testing.T) {
	v, c := Parse("f", []byte("names: only\n"))
	var s sample
	v.Map(s.fields())
	if c.Err() != nil || len(s.names) != 1 || s.names[0] != "only" {
		t.Errorf("read %v, %v", s.names, c.Err())
	}
}

// TestMistakes has one mistake in each file.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"nam: x", `f:1:1: unknown key "nam" (did you mean name?)`},
		{"zzzzzz: x", `f:1:1: unknown key "zzzzzz" (known here: kind, n, name, names, on, wait)`},
		{"n: 1\nn: 2", `f:2:1: key "n" stands here twice (remove one of the two)`},
		{"n: x", `f:1:4: expected an integer, found "x"`},
		{"n: 11", `f:1:4: 11 is out of range: 1 to 10`},
		{"n: [1]", `f:1:4: expected an integer, found a list`},
		{"on: yes-please", `f:1:5: expected true or false, found "yes-please" (write true or false)`},
		{"wait: 15", `f:1:7: expected a duration, found "15" (write a number with its unit: 500ms, 15s, 5m, 1h30m)`},
		{"wait: 2h", `f:1:7: 2h0m0s is out of range: 1s to 1h0m0s`},
		{"kind: sctp", `f:1:7: unknown value "sctp" (one of: udp, tcp)`},
		{"name: {a: b}", `f:1:7: expected text, found a mapping`},
		{"names: {a: b}", `f:1:8: expected a list, found a mapping (write a list: [a, b] or lines that begin with -)`},
		{"[1, 2]", `f:1:1: expected a mapping, found a list (write key: value lines)`},
		{"name: ! tcp", `f:1:7: YAML drops the ! that stands alone here (write it in quotes: "! tcp")`},
		{"name: 'a\n", "f:2:1: found unexpected end of stream (this is not well-formed YAML)"},
	} {
		v, col := Parse("f", []byte(c.src))
		if len(col.Errors) == 0 {
			var s sample
			v.Map(s.fields())
		}
		if err := col.Err(); err == nil || err.Error() != c.want {
			t.Errorf("%q:\n got %v\nwant %s", c.src, err, c.want)
		}
	}
}

func TestAllMistakesInOrder(t *testing.T) {
	v, c := Parse("f", []byte("n: 99\nwait: 1\nkind: x\n"))
	var s sample
	v.Map(s.fields())
	err := c.Err()
	if err == nil || len(strings.Split(err.Error(), "\n")) != 3 || c.Errors[0].Line != 1 || c.Errors[2].Line != 3 {
		t.Errorf("got %v", err)
	}
}

func TestErrorAtPointsIntoText(t *testing.T) {
	for src, col := range map[string]int{"name: abcd": 9, "name: 'abcd'": 10} {
		v, c := Parse("f", []byte(src))
		v.Map(Fields{"name": func(v Value) { v.ErrorAt(2, "", "here") }})
		if c.Errors[0].Col != col {
			t.Errorf("%s: column %d, want %d", src, c.Errors[0].Col, col)
		}
	}
}

func TestAliasAndEmpty(t *testing.T) {
	v, c := Parse("f", []byte("name: &x hello\nnames: [*x]\n"))
	var s sample
	v.Map(s.fields())
	if c.Err() != nil || len(s.names) != 1 || s.names[0] != "hello" {
		t.Errorf("read %+v, %v", s, c.Err())
	}
	v, c = Parse("f", nil)
	v.Map(s.fields())
	if c.Err() != nil {
		t.Error(c.Err())
	}
}

func FuzzParse(f *testing.F) {
	f.Add("name: x\nn: 1")
	f.Add("a: &a [*a]")
	f.Fuzz(func(_ *testing.T, src string) {
		v, c := Parse("f", []byte(src))
		var s sample
		v.Map(s.fields())
		_ = c.Err()
	})
}

func TestSize(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
		err  string
	}{
		{"0", 0, ""}, {"512", 512, ""}, {"1KiB", 1024, ""}, {"32MiB", 32 << 20, ""}, {"32 MiB", 32 << 20, ""}, {"1GiB", 1 << 30, ""},
		{"2GiB", 0, "2GiB is out of range: 0 to 1073741824 octets"},
		{"99999999TiB", 0, "99999999TiB is out of range: 0 to 1073741824 octets"},
		{"-1", 0, `expected a size, found "-1" (write a number with its unit: 512MiB, 1GiB)`},
		{"1MB", 0, `expected a size, found "1MB" (write a number with its unit: 512MiB, 1GiB)`},
		{"lots", 0, `expected a size, found "lots" (write a number with its unit: 512MiB, 1GiB)`},
		{"[1]", 0, "expected a size, found a list (write a number with its unit: 512MiB, 1GiB)"},
	} {
		v, collected := Parse("f", []byte("x: "+c.text))
		var got int64
		v.Map(Fields{"x": func(v Value) { got = v.Size(0, 1<<30) }})
		message := ""
		if err := collected.Err(); err != nil {
			message = strings.TrimPrefix(err.Error(), "f:1:4: ")
		}
		if got != c.want || message != c.err {
			t.Errorf("%s: %d, %s; want %d, %s", c.text, got, message, c.want, c.err)
		}
	}
}

// TestText: layout and comments do not matter, values and their types do.
func TestText(t *testing.T) {
	text := func(src string) string {
		v, c := Parse("f", []byte(src))
		if err := c.Err(); err != nil {
			t.Fatal(err)
		}
		return v.Text()
	}
	base := text("a: [1, two]\nb: {c: x}")
	for _, same := range []string{"# why\na:\n- 1\n- 'two' # and so\nb:\n  c: \"x\"", "a: &l [1, two]\nb: {c: x}"} {
		if got := text(same); got != base {
			t.Errorf("%s\n%s\nnot\n%s", same, got, base)
		}
	}
	for _, other := range []string{"a: ['1', two]\nb: {c: x}", "a: [1, two, three]\nb: {c: x}", "a: [1, two]\nb: {c: y}", "b: {c: x}\na: [1, two]", "a: [1, [two]]\nb: {c: x}"} {
		if text(other) == base {
			t.Errorf("%s is the same", other)
		}
	}
}

func TestPercent(t *testing.T) {
	for text, want := range map[string]string{
		"1%": "", "100%": "", "90": "expected a percentage", "'%'": "expected a percentage", "90%%": "expected a percentage",
		"9.5%": "expected a percentage", "0%": "0% is out of range: 1% to 100%", "101%": "out of range", "[1%]": "found a list", "'90%'": "",
	} {
		v, c := Parse("f.yaml", []byte("x: "+text))
		got := 0
		v.Map(Fields{"x": func(v Value) { got = v.Percent(1, 100) }})
		if err := c.Err(); want == "" && (err != nil || got == 0) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
}
