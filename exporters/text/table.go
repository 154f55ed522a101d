package text

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"flowmeter/meter/flow"
)

// TableConfig says what a Table shows.
type TableConfig struct {
	Top   int    // how many flows
	Sort  string // octets, packets, duration, start, or a numeric field of the model
	Width int    // columns of the terminal; 0 means no limit
	Live  bool   // records are of flows that go on: each is a flow of its own
}

// DefaultTable is the ten flows with the most octets, both ways together.
func DefaultTable() TableConfig { return TableConfig{Top: 10, Sort: "octets"} }

// Validate tells what of c cannot be.
func (c TableConfig) Validate() error {
	var errs []error
	if c.Top < 1 {
		errs = append(errs, fmt.Errorf("top: %d flows; at least 1", c.Top))
	}
	if c.Width < 0 {
		errs = append(errs, fmt.Errorf("width: %d columns; at least 0, which means no limit", c.Width))
	}
	if _, _, err := ranking(c.Sort); err != nil {
		errs = append(errs, fmt.Errorf("sort: %w", err))
	}
	return errors.Join(errs...)
}

// Table shows the largest flows, aligned, when it is closed. Of a long flow it
// shows one line, with the totals of all its pieces. It needs memory for as
// many records as it shows.
type Table struct {
	w     io.Writer
	cfg   TableConfig
	rank  func(*flow.Record) uint64
	top   top
	cells []cell
	flows uint64 // how many there were
}

// NewTable returns a table that Close writes to w.
func NewTable(w io.Writer, cfg TableConfig) (*Table, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	rank, field, err := ranking(cfg.Sort)
	if err != nil {
		return nil, err
	}
	t := &Table{w: w, cfg: cfg, rank: rank, cells: tableCells()}
	if field != nil {
		t.cells = append(t.cells, cell{head: field.name, right: true, text: field.text})
	}
	t.top = top{n: cfg.Top, flows: map[flowID]*entry{}}
	return t, nil
}

// Export keeps the records of b that are among the largest so far.
func (t *Table) Export(b *flow.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Piece == 0 || t.cfg.Live {
			t.flows++
		}
		t.top.add(t.rank(r), r)
	}
	return nil
}

// Tick does nothing: the table is complete only at the end.
func (t *Table) Tick(time.Time) error { return nil }

// Largest returns what the table would show, in its order, in place of Close.
func (t *Table) Largest() []*flow.Record { return t.top.sorted() }

// Close writes the table. It does not close w.
func (t *Table) Close() error {
	recs := t.top.sorted()
	title := fmt.Sprintf("%s of %s flows, by %s%s\n",
		humanize.Comma(int64(len(recs))), humanize.Comma(int64(t.flows)), t.cfg.Sort, days(recs))
	_, err := io.WriteString(t.w, title+t.render(recs))
	return err
}

// render lays the records out and leaves out columns, those that matter least
// first, until the table is no wider than it may be.
func (t *Table) render(recs []*flow.Record) string {
	if len(recs) == 0 {
		return ""
	}
	cols := fill(t.cells, recs)
	for {
		out := layout(cols)
		least := leastImportant(cols)
		if t.cfg.Width == 0 || text.LongestLineLen(out) <= t.cfg.Width || least < 0 {
			return out
		}
		cols = append(cols[:least], cols[least+1:]...)
	}
}

// layout draws columns with go-pretty, without borders, one space between.
func layout(cols []filled) string {
	w := table.NewWriter()
	w.SetStyle(table.Style{
		Box:    table.BoxStyle{PaddingRight: " "},
		Format: table.FormatOptions{Header: text.FormatDefault},
	})
	var head table.Row
	var configs []table.ColumnConfig
	for i, c := range cols {
		head = append(head, c.head)
		if c.right {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	w.AppendHeader(head)
	w.SetColumnConfigs(configs)
	for i := range cols[0].texts {
		row := make(table.Row, len(cols))
		for j := range cols {
			row[j] = cols[j].texts[i]
		}
		w.AppendRow(row)
	}
	return trimLines(w.Render())
}

// trimLines takes the spaces off the ends of lines.
func trimLines(s string) string {
	var out strings.Builder
	for line := range strings.Lines(s) {
		out.WriteString(strings.TrimRight(line, " \n"))
		out.WriteByte('\n')
	}
	return out.String()
}
