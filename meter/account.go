package meter

import (
	"slices"
	"strings"
	"time"

	"flowmeter/meter/capture/ring"
	"flowmeter/meter/flow"
)

// InputAccount is what the Meter of an input has counted, as of a moment.
type InputAccount struct {
	Input    string
	RuleSets []string // in their order in Totals
	Totals   Totals
	Rules    []RuleReport
	Earlier  []Book                // of rule sets, and reserves, that reloads ended, in the order of their names
	Captures []ring.InterfaceStats // nil for traces
	Progress []time.Time           // by worker, as Meter.Progress has it
}

// Account returns the account so far. It may be called from any goroutine.
func (m *Meter) Account() InputAccount {
	m.reloading.RLock()
	defer m.reloading.RUnlock()
	return InputAccount{Input: m.cfg.Input, RuleSets: m.names, Totals: m.totals(), Rules: m.ruleReports(), Earlier: m.earlier, Captures: m.captures(), Progress: m.Progress()}
}

func (m *Meter) captures() []ring.InterfaceStats {
	if m.cfg.Capture == nil {
		return nil
	}
	return m.cfg.Capture()
}

// withBook returns books and one more: the sum, if there is one of its name. What
// books was goes on to hold. One with nothing counted is left out.
func withBook(books []Book, b Book) []Book {
	if *b.Counts == (flow.Counts{}) {
		return books
	}
	i, known := slices.BinarySearchFunc(books, b.Name, func(o Book, name string) int { return strings.Compare(o.Name, name) })
	if !known {
		return slices.Insert(slices.Clone(books), i, b)
	}
	b.add(&books[i])
	if b.Reserves == nil {
		b.Reserves = books[i].Reserves
	}
	books = slices.Clone(books)
	books[i] = b
	return books
}

// add adds what a rule set, or reserve, of that name counted before, or in
// another input. How far it has given way is b's own.
func (b *Book) add(o *Book) {
	addCounts(b.Counts, o.Counts)
	if b.Reserves != nil && o.Reserves != nil {
		addAll(b.Reserves.Steps[:], o.Reserves.Steps[:])
	}
}

// Account is what all inputs of a run have counted since it began, also before
// reloads: a counter of a name does not fall. What reloads took away altogether
// is not among the inputs and rule sets any more.
type Account struct {
	Inputs   []string
	Totals   []Totals                // by input
	Captures [][]ring.InterfaceStats // by input; empty for traces
	Progress [][]time.Time           // by input and worker, as Meter.Progress has them
	RuleSets []string
	Rules    []RuleReport      // of the rule sets that run
	Sum      Totals            // of the inputs that run, since they began: it balances
	Books    []Book            // of the rule sets that run, and of their reserves
	MaxFlows map[string]uint64 // by rule set and standby, of all inputs

	ended      Totals // sum of the inputs that ended, without rule sets
	interfaces []flow.Interface
	histograms map[string]*flow.Histograms // by rule set; they go on being added to
}

// AccountOf reads the account of several meters, one an input, that run the
// same rule sets, after those of inputs that reloads ended or are ending.
func AccountOf(meters []*Meter, ended ...InputAccount) *Account {
	a := &Account{MaxFlows: map[string]uint64{}}
	if len(meters) > 0 {
		a.RuleSets = meters[0].Names()
		a.Sum = newTotals(len(a.RuleSets))
		a.histograms = meters[0].cfg.Names.allHistograms() // which all of them share
	}
	var before []Book
	told := map[*InterfaceTable]bool{}
	for _, m := range meters {
		in := m.Account()
		a.Inputs = append(a.Inputs, in.Input)
		a.Totals = append(a.Totals, in.Totals)
		a.Captures = append(a.Captures, in.Captures)
		a.Progress = append(a.Progress, in.Progress)
		a.Sum.add(&in.Totals)
		m.addMaxFlows(a.MaxFlows)
		before = append(before, in.Earlier...)
		if table := m.cfg.Interfaces; !told[table] {
			a.interfaces = append(a.interfaces, table.all()...)
			told[table] = true
		}
	}
	a.Rules = RuleReports(meters...)
	a.Books = a.Sum.Books(a.RuleSets)
	for i := range ended {
		e := &ended[i]
		a.addEnded(e)
		addReports(a.Rules, e.Rules)
		before = append(append(before, e.Totals.Books(e.RuleSets)...), e.Earlier...)
	}
	a.addBefore(before)
	return a
}

// addEnded adds what an input counted to that which has its name now.
func (a *Account) addEnded(e *InputAccount) {
	t := e.Totals
	t.RuleSets, t.Reserves, t.since = nil, nil, nil // they are others
	a.ended.add(&t)
	i := slices.Index(a.Inputs, e.Input)
	if i < 0 {
		return
	}
	a.Totals[i].add(&t)
	for j := range a.Captures[i] {
		now := &a.Captures[i][j]
		for _, s := range e.Captures {
			if s.Name == now.Name {
				now.Packets, now.Drops, now.Freezes = now.Packets+s.Packets, now.Drops+s.Drops, now.Freezes+s.Freezes
			}
		}
	}
}

// addBefore adds what was counted before to the books of the same name.
func (a *Account) addBefore(before []Book) {
	for i := range before {
		for j := range a.Books {
			if a.Books[j].Name == before[i].Name {
				a.Books[j].add(&before[i])
			}
		}
	}
}

// statistics is the account as exporters tell it.
func (a *Account) statistics() *flow.Statistics {
	total, running := a.ended, a.Sum
	running.RuleSets, running.Reserves, running.since = nil, nil, nil
	total.add(&running)
	s := &flow.Statistics{Interfaces: a.interfaces}
	total.fill(s)
	return s
}
