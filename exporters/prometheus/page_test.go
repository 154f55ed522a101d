package prometheus

import (
	"bytes"
	"testing"
)

func TestPage(t *testing.T) {
	p := NewPage()
	a := p.Add(Family{Name: "b_total", Type: "counter", Help: "Bs.", Labels: []string{"x", "y"}})
	g := p.Add(Family{Name: "a_now", Type: "gauge", Help: "As."})
	p.Add(Family{Name: "none_total", Type: "counter", Help: "A family without values is not shown."})
	a(1, "q\"\\\n", "2")
	g(7)
	a(18446744073709551615, "other", "")
	var got bytes.Buffer
	if err := p.Write(&got); err != nil {
		t.Fatal(err)
	}
	want := `# HELP b_total Bs.
# TYPE b_total counter
b_total{x="other",y=""} 18446744073709551615
b_total{x="q\"\\\n",y="2"} 1
# HELP a_now As.
# TYPE a_now gauge
a_now 7
`
	if got.String() != want {
		t.Errorf("page\n%s\nwant\n%s", got.String(), want)
	}
}
