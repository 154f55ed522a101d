// Package meter is the flow meter as a library: it reads frames from its
// sources, gives them to its workers' rule sets and tables, and hands the
// records on to its exporters, accounting for every packet on the way.
package meter

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"

	"flowmeter/meter/capture"
	"flowmeter/meter/capture/ring"
	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// Config says what a Meter does.
type Config struct {
	Input     string // name of the input, for metrics
	Workers   int    // goroutines that meter, at least 1
	CacheSize int    // lines of the decision cache of each table
	RuleSets  []*rules.RuleSet
	Filter    *rules.Filter // frames that it does not match are left out; nil for none
	Sample    int           // meter one frame in so many, chosen at random; 0 or 1 for all
	Limits    Limits

	// Selector is what records and exporters say of Sample. Meters whose
	// records go to the same exporters each need one of their own if any of
	// them samples (SelectorTable). nil: one is made if Sample asks for it.
	Selector *flow.Selector

	// Capture returns the account of a live input's interfaces; nil for traces.
	Capture func() []ring.InterfaceStats

	// Own returns the sockets that the meter's exporters send from, whose
	// packets live inputs leave out; always the same slice while nothing
	// changes. nil: no packets are left out.
	Own func() []flow.Socket

	// Interfaces numbers the interfaces; nil for numbers of its own.
	Interfaces *InterfaceTable

	// Names numbers the rule sets; nil for numbers of its own.
	Names *NameTable
}

// DefaultConfig returns one worker, the default rule set and the usual cache.
func DefaultConfig() Config {
	return Config{Workers: 1, CacheSize: 1 << 17, RuleSets: []*rules.RuleSet{rules.Default(rules.DefaultNetworks())}}
}

// Meter meters the packets of its sources once.
type Meter struct {
	cfg     Config
	names   []string // of rule sets
	workers []*worker
	queues  []chan work // to the workers; nil with one worker, who works in the reader's goroutine
	reader  reader
	out     *output
	parcels []chan parcel // from the workers to the merger, if there are several

	liveMu sync.Mutex
	live   []*liveWorker // of RunLive

	reloading sync.RWMutex  // held while rule sets change
	begun     chan struct{} // closed when RunLive has begun: requests are answered from then on
	earlier   []Book        // of rule sets that a reload ended

	earlierRules []RuleReport // and of those of their rules that are still there

	stop     chan struct{}
	stopOnce sync.Once
	steps    atomic.Uint64
}

// New makes a Meter that starts nothing. Records go to every exporter.
func New(cfg Config, exporters []Exporter) *Meter {
	m := &Meter{cfg: cfg, stop: make(chan struct{}), begun: make(chan struct{})}
	m.cfg.Selector = cfg.selector()
	m.out = newOutput(exporters)
	if m.cfg.Interfaces == nil {
		m.cfg.Interfaces = &InterfaceTable{}
	}
	if m.cfg.Names == nil {
		m.cfg.Names = &NameTable{}
	}
	m.reader = reader{limits: cfg.Limits, emit: m.dispatch, ifaces: numbering{table: m.cfg.Interfaces}}
	seed := newSeed()
	var share exchanger
	if cfg.Workers > 1 {
		share = newExchange(cfg.Workers, aggregating(cfg.RuleSets))
		m.reader.shard = m.shards
	}
	for _, rs := range cfg.RuleSets {
		m.names = append(m.names, rs.Name)
		m.cfg.Names.number(rs.Name) // before those of reserves
	}
	for id := range cfg.Workers {
		w := &worker{id: id, share: share, seed: seed, filter: cfg.Filter}
		w.setLanes(m.lanes(&m.cfg, seed))
		w.fragments.Seed = seed
		w.lookInside(cfg.RuleSets)
		w.sampler = newSampler(cfg.Sample, seed[0]+uint64(id))
		if cfg.Workers > 1 {
			m.queues = append(m.queues, make(chan work, workAhead))
			m.parcels = append(m.parcels, make(chan parcel, parcelsAhead))
			w.records = &outbox{out: m.parcels[id]}
		} else {
			w.records = &outbox{direct: m.out}
		}
		w.public.store(w, false)
		m.workers = append(m.workers, w)
	}
	return m
}

// workAhead is how many pieces of work may wait for a worker.
const workAhead = 4

func newSeed() (s flow.Seed) {
	var b [32]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	for i := range s {
		s[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return s
}

func aggregating(sets []*rules.RuleSet) []bool {
	a := make([]bool, len(sets))
	for i, rs := range sets {
		a[i] = rs.Program.Scattered()
	}
	return a
}

// lanes makes a worker's tables.
func (m *Meter) lanes(cfg *Config, seed flow.Seed) []lane {
	ls := make([]lane, len(cfg.RuleSets))
	for i, rs := range cfg.RuleSets {
		ls[i].table = newTable(cfg, rs, m.numbersOf(rs), seed)
	}
	return ls
}

// Open gives the sources one after the other and io.EOF after the last. An
// error of one source does not keep the next from being opened.
type Open func() (Source, error)

// Run reads the sources to their end, or until Stop, ends all flows and sends
// every record. Sources that cannot be read whole are reported to failed and
// the rest is metered. It returns an error if the balance does not close.
func (m *Meter) Run(open []Open, failed func(error)) error {
	wait := m.start()
	for _, o := range open {
		if err := m.read(o); errors.Is(err, errLimit) {
			break
		} else if err != nil {
			failed(err)
		}
	}
	m.dispatch(work{kind: finish, clock: m.reader.clock})
	wait()
	m.out.flush()
	total := m.Totals()
	return total.CheckEnd(m.names)
}

// Finish gives the exporters the last batch, which carries the account of all
// the meters that used them.
func Finish(exporters []Exporter, a *Account) { newOutput(exporters).tell(a.statistics(), true) }

// Report gives the exporters the account of all the meters that use them, as of
// now. Run and RunLive may go on meanwhile.
func Report(exporters []Exporter, a *Account) { newLiveOutput(exporters).tell(a.statistics(), false) }

func (m *Meter) read(open Open) error {
	src, err := m.open(open)
	if err != nil {
		return err
	}
	return m.reader.readAll(src, m.stop)
}

// open opens a source, which may wait too: a named pipe, for its writer.
func (m *Meter) open(open Open) (Source, error) {
	type result struct {
		src Source
		err error
	}
	opened := make(chan result, 1)
	go func() {
		src, err := open()
		opened <- result{src, err}
	}()
	select {
	case r := <-opened:
		return r.src, r.err
	case <-m.stop:
		return nil, errLimit
	}
}

// Stop makes Run end soon, as if the sources had ended. It may be called from
// any goroutine, more than once.
func (m *Meter) Stop() { m.stopOnce.Do(func() { close(m.stop) }) }

// start starts the workers and the merger, if there are several workers. The
// function returned waits for their end.
func (m *Meter) start() (wait func()) {
	if m.queues == nil {
		return func() {}
	}
	var running sync.WaitGroup
	for i, w := range m.workers {
		running.Go(func() {
			w.loop(m.queues[i])
			close(m.parcels[i])
		})
	}
	running.Go(newMerger(m.out, m.parcels).run)
	return running.Wait
}

// dispatch gives a piece of work to every worker: each needs to know the time.
func (m *Meter) dispatch(j work) {
	m.steps.Store(m.reader.steps)
	if m.queues == nil {
		m.workers[0].do(&j)
		return
	}
	if j.batch != nil {
		j.batch.Retain(int32(len(m.queues)))
	}
	for _, q := range m.queues {
		q <- j
	}
}

// loop does the work of a queue until it is told to finish.
func (w *worker) loop(queue <-chan work) {
	for j := range queue {
		w.do(&j)
		if j.batch != nil {
			j.batch.Release()
		}
		if j.kind == finish {
			return
		}
	}
}

// shards tells for each frame of a batch which worker meters it: that of its
// pair of addresses.
func (m *Meter) shards(b *capture.Batch) []uint8 {
	shards := make([]uint8, len(b.Frames))
	for i := range b.Frames {
		f := &b.Frames[i]
		h := packet.Shard(packet.LinkType(f.Link), b.Data(f))
		shards[i] = uint8(uint64(h) * uint64(len(m.workers)) >> 32)
	}
	return shards
}

// Totals returns the account so far. It may be called from any goroutine.
func (m *Meter) Totals() Totals {
	m.reloading.RLock()
	defer m.reloading.RUnlock()
	return m.totals()
}

func (m *Meter) totals() Totals {
	t := newTotals(len(m.cfg.RuleSets))
	t.ClockSteps = m.steps.Load()
	for _, w := range m.workers {
		w.public.addTo(&t)
	}
	return t
}

// Names returns the names of the rule sets, in their order in Totals.
func (m *Meter) Names() []string {
	m.reloading.RLock()
	defer m.reloading.RUnlock()
	return m.names
}
