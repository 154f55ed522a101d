package grafana

//lint:file-ignore SA1019 The newer schema is one that Grafana before 12 does not import.

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

var update = flag.Bool("update", false, "write the dashboards anew")

// TestFiles keeps the files beside the tables.
func TestFiles(t *testing.T) {
	for _, d := range Dashboards() {
		want, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(d.File, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(d.File)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not what the tables say; renew it with -update (-want +got):\n%s", d.File, diff)
		}
	}
}

// outermost are the fields that Grafana's import takes beside those of the
// dashboard itself.
var outermost = []string{"__inputs", "__requires"}

// read reads a file as Grafana's own schema does, to the last field.
func read(t *testing.T, file string) dashboard.Dashboard {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := strict(src)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return d
}

func strict(src []byte) (d dashboard.Dashboard, err error) {
	plugins.RegisterDefaultPlugins()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(src, &fields); err != nil {
		return d, err
	}
	for _, name := range outermost {
		delete(fields, name)
	}
	if src, err = json.Marshal(fields); err != nil {
		return d, err
	}
	// What is no error comes as an empty list that is not nil.
	var none cog.BuildErrors
	if err := d.UnmarshalJSONStrict(src); err != nil && (!errors.As(err, &none) || len(none) > 0) {
		return d, err
	}
	return d, d.Validate()
}

// TestSchema reads every file strictly, with Grafana's own types.
func TestSchema(t *testing.T) {
	for _, d := range Dashboards() {
		got := read(t, d.File)
		if got.Uid == nil || *got.Uid != d.UID || got.SchemaVersion < 36 || len(got.Templating.List) != len(d.Variables)+1 {
			t.Errorf("%s: uid, schema version or variables are missing", d.File)
		}
	}
}

// TestSchemaNotices checks that the check above can fail.
func TestSchemaNotices(t *testing.T) {
	src, err := os.ReadFile("overview.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{`"refresh"`, `"refersh"`},
		{`"gridPos"`, `"gridpos"`},
		{`"legendFormat"`, `"legend"`},
		{`"schemaVersion": `, `"schemaVersion": -`},
	} {
		wrong := bytes.Replace(src, []byte(c[0]), []byte(c[1]), 1)
		if _, err := strict(wrong); bytes.Equal(wrong, src) || err == nil {
			t.Errorf("%s in place of %s is not noticed", c[1], c[0])
		}
	}
}

// TestLayout checks that panels lie within 24 columns and on no other one, that
// ids are each its own, and that all read the source that is chosen above.
func TestLayout(t *testing.T) {
	for _, d := range Dashboards() {
		taken, ids := map[[2]uint32]string{}, map[uint32]bool{}
		for _, p := range read(t, d.File).Panels {
			if p.Panel == nil {
				continue
			}
			at, title := p.Panel.GridPos, *p.Panel.Title
			if at == nil || at.X+at.W > 24 || at.W == 0 || at.H == 0 {
				t.Fatalf("%s: %s lies at %v", d.File, title, at)
			}
			for x := at.X; x < at.X+at.W; x++ {
				for y := at.Y; y < at.Y+at.H; y++ {
					if other, found := taken[[2]uint32{x, y}]; found {
						t.Fatalf("%s: %s lies on %s", d.File, title, other)
					}
					taken[[2]uint32{x, y}] = title
				}
			}
			if ids[*p.Panel.Id] {
				t.Errorf("%s: %s has the id of another", d.File, title)
			}
			ids[*p.Panel.Id] = true
			if *p.Panel.Datasource.Uid != "${datasource}" {
				t.Errorf("%s: %s has a source of its own", d.File, title)
			}
		}
	}
}
