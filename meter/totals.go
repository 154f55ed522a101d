package meter

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// Totals is the meter's account of every packet read, over all workers or of
// one. Octets are of whole frames on the wire.
type Totals struct {
	Read, Octets     uint64
	Filtered         uint64 // left out by the filter, before all rule sets
	FilteredOctets   uint64
	Own              uint64 // the meter's own export traffic, left out before all rule sets
	OwnOctets        uint64
	Unsampled        uint64 // frames that sampling passed over
	UnsampledOctets  uint64
	OffloadFrames    uint64                     // frames that stood for several packets, or might have: beside the balance
	OffloadPackets   uint64                     // packets that these were counted as
	Outcomes         [packet.NumOutcomes]uint64 // of decoding
	OutcomeOctets    [packet.NumOutcomes]uint64
	UnreadLink       uint16 // link type of the first frame that is Unsupported
	ShortTransport   uint64 // transport header cut off by the capture: beside the balance
	FragmentsFilled  uint64 // later fragments counted in the flow of their first
	FragmentsOrphans uint64 // later fragments whose first was not seen: beside the balance
	FragmentsLost    uint64 // first fragments forgotten for want of room
	ClockSteps       uint64
	Ignored          uint64 // counted by no rule set: beside the balance
	IgnoredOctets    uint64
	FirstIgnored     int64 // earliest and latest time of such packets, ns since 1970
	LastIgnored      int64
	Clock            int64           // trace clock
	RuleSets         []flow.Counts   // by rule set
	Reserves         []flow.Reserves // by rule set; zero for those without
	since            []since         // by rule set: what was counted before it began
}

func newTotals(ruleSets int) Totals {
	return Totals{RuleSets: make([]flow.Counts, ruleSets), Reserves: make([]flow.Reserves, ruleSets), since: make([]since, ruleSets)}
}

// fill writes the account in the terms of RFC 7011 §4, where a packet that is
// in no flow of any rule set was ignored by the metering process.
func (t *Totals) fill(s *flow.Statistics) {
	s.Clock, s.Packets, s.Octets = t.Clock, t.Read, t.Octets
	s.IgnoredPackets, s.IgnoredOctets = t.Ignored, t.IgnoredOctets
	s.FirstIgnored, s.LastIgnored = t.FirstIgnored, t.LastIgnored
}

// add sums the account of another worker.
func (t *Totals) add(o *Totals) {
	t.Read += o.Read
	t.Octets += o.Octets
	t.Filtered += o.Filtered
	t.FilteredOctets += o.FilteredOctets
	t.Own += o.Own
	t.OwnOctets += o.OwnOctets
	t.Unsampled += o.Unsampled
	t.UnsampledOctets += o.UnsampledOctets
	t.OffloadFrames += o.OffloadFrames
	t.OffloadPackets += o.OffloadPackets
	addAll(t.Outcomes[:], o.Outcomes[:])
	addAll(t.OutcomeOctets[:], o.OutcomeOctets[:])
	if t.Outcomes[packet.Unsupported] == o.Outcomes[packet.Unsupported] { // o's are the first
		t.UnreadLink = o.UnreadLink
	}
	t.ShortTransport += o.ShortTransport
	t.FragmentsFilled += o.FragmentsFilled
	t.FragmentsOrphans += o.FragmentsOrphans
	t.FragmentsLost += o.FragmentsLost
	t.ClockSteps += o.ClockSteps
	t.addIgnored(o)
	t.Clock = max(t.Clock, o.Clock)
	for i := range o.RuleSets {
		addCounts(&t.RuleSets[i], &o.RuleSets[i])
		addReserves(&t.Reserves[i], &o.Reserves[i])
		t.since[i].read += o.since[i].read
		t.since[i].leftOut += o.since[i].leftOut
	}
}

func (t *Totals) addIgnored(o *Totals) {
	if o.Ignored > 0 && (t.Ignored == 0 || o.FirstIgnored < t.FirstIgnored) {
		t.FirstIgnored = o.FirstIgnored
	}
	if o.Ignored > 0 && (t.Ignored == 0 || o.LastIgnored > t.LastIgnored) {
		t.LastIgnored = o.LastIgnored
	}
	t.Ignored += o.Ignored
	t.IgnoredOctets += o.IgnoredOctets
}

// read counts a packet and the outcome of decoding it.
func (t *Totals) read(link uint16, out packet.Outcome, octets uint32) {
	t.Read++
	t.Octets += uint64(octets)
	t.Outcomes[out]++
	t.OutcomeOctets[out] += uint64(octets)
	if out == packet.Unsupported && t.Outcomes[out] == 1 {
		t.UnreadLink = link
	}
}

// leaveFiltered moves a packet from its outcome to those filtered.
func (t *Totals) leaveFiltered(out packet.Outcome, octets uint32) {
	t.takeBack(out, octets)
	t.Filtered++
	t.FilteredOctets += uint64(octets)
}

// leaveOwn moves a packet from its outcome to the meter's own.
func (t *Totals) leaveOwn(out packet.Outcome, octets uint32) {
	t.takeBack(out, octets)
	t.Own++
	t.OwnOctets += uint64(octets)
}

func (t *Totals) takeBack(out packet.Outcome, octets uint32) {
	t.Outcomes[out]--
	t.OutcomeOctets[out] -= uint64(octets)
}

// leaveUnsampled counts a frame that is not looked at.
func (t *Totals) leaveUnsampled(octets uint32) {
	t.Read++
	t.Octets += uint64(octets)
	t.Unsampled++
	t.UnsampledOctets += uint64(octets)
}

// leftOut is what was read but given to no rule set.
func (t *Totals) leftOut() uint64 {
	return t.Filtered + t.Own + t.Unsampled + t.Outcomes[packet.Malformed] + t.Outcomes[packet.Unsupported]
}

// ignore counts a packet that is in no flow of any rule set.
func (t *Totals) ignore(time int64, octets uint32) {
	if t.Ignored == 0 || time < t.FirstIgnored {
		t.FirstIgnored = time
	}
	if t.Ignored == 0 || time > t.LastIgnored {
		t.LastIgnored = time
	}
	t.Ignored++
	t.IgnoredOctets += uint64(octets)
}

func addAll(to, from []uint64) {
	for i := range from {
		to[i] += from[i]
	}
}

func addCounts(to, from *flow.Counts) {
	addAll(to.Verdicts[:], from.Verdicts[:])
	addAll(to.VerdictOctets[:], from.VerdictOctets[:])
	addAll(to.Traffic[:], from.Traffic[:])
	addAll(to.TrafficOctets[:], from.TrafficOctets[:])
	addAll(to.Ended[:], from.Ended[:])
	to.Sighted += from.Sighted
	to.Applied += from.Applied
	to.Created += from.Created
	to.Released += from.Released
	to.ReleasedOctets += from.ReleasedOctets
	to.Live += from.Live
}

// Check returns an error that names the sum which does not come out, at any
// time: read = filtered + own + unsampled + outcomes of decoding, and for each
// rule set, of what was read since it began, read = filtered + own + unsampled +
// malformed + unsupported + every verdict + on the way between workers, and what
// it gave to a reserve = every verdict of that.
func (t *Totals) Check(names []string) error { return openBalance(t.open(names)) }

// CheckEnd is Check once all flows have ended: nothing is on its way, and what
// was counted was released in records.
func (t *Totals) CheckEnd(names []string) error {
	open := t.open(names)
	for i := range t.RuleSets {
		c := &t.RuleSets[i]
		if n := c.Sighted - c.Applied; n != 0 {
			open = append(open, fmt.Sprintf("rule set %s: %d packets are still on their way", names[i], n))
		}
	}
	for _, b := range t.Books(names) {
		c := b.Counts
		if c.Live != 0 || c.Released != c.Verdicts[rules.Counted] || c.ReleasedOctets != c.VerdictOctets[rules.Counted] {
			open = append(open, fmt.Sprintf("rule set %s: counted %d packets, %d octets, exported %d packets, %d octets, with %d flows left", b.Name,
				c.Verdicts[rules.Counted], c.VerdictOctets[rules.Counted], c.Released, c.ReleasedOctets, c.Live))
		}
	}
	return openBalance(open)
}

func openBalance(open []string) error {
	if open == nil {
		return nil
	}
	return fmt.Errorf("the balance does not close: %s", strings.Join(open, "; "))
}

// open names the sums that do not come out.
func (t *Totals) open(names []string) (open []string) {
	var outcomes uint64
	for _, n := range t.Outcomes {
		outcomes += n
	}
	if t.Read != t.Filtered+t.Own+t.Unsampled+outcomes {
		open = append(open, fmt.Sprintf("read %d, but filtered %d, own %d, unsampled %d and decoded %d", t.Read, t.Filtered, t.Own, t.Unsampled, outcomes))
	}
	for i := range t.RuleSets {
		if read, sum := t.balance(i); sum != read {
			open = append(open, fmt.Sprintf("rule set %s: read %d, accounted for %d", names[i], read, sum))
		}
		open = append(open, t.checkReserves(i, names[i])...)
	}
	return open
}

// balance returns what was read since a rule set began, and the sum of what
// became of it.
func (t *Totals) balance(i int) (read, sum uint64) {
	c := &t.RuleSets[i]
	var began since
	if i < len(t.since) {
		began = t.since[i]
	}
	sum = t.leftOut() - began.leftOut + c.Sighted - c.Applied
	for _, n := range c.Verdicts {
		sum += n
	}
	return t.Read - began.read, sum
}

// published is a worker's account as others may read it while the worker goes
// on: copied once a piece of work.
type published struct {
	mu     sync.Mutex
	t      Totals
	hits   []ruleSetHits
	hitsAt time.Time // when they were copied: less often
}

// store copies the account; all of it, also what is copied less often, with all.
func (p *published) store(w *worker, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.storeHits(w, time.Now(), all)
	sets, reserves, began := p.t.RuleSets[:0], p.t.Reserves[:0], p.t.since[:0]
	p.t = w.count
	p.t.Clock = w.clock
	p.t.FragmentsFilled, p.t.FragmentsOrphans, p.t.FragmentsLost = w.fragments.Filled, w.fragments.Orphans, w.fragments.Lost
	if t := w.tunnels; t != nil {
		p.t.FragmentsFilled += t.fragments.Filled
		p.t.FragmentsOrphans += t.fragments.Orphans
		p.t.FragmentsLost += t.fragments.Lost
	}
	for i := range w.lanes {
		l := &w.lanes[i]
		sets, reserves, began = append(sets, l.table.Counts), append(reserves, l.table.Reserves()), append(began, l.since)
	}
	p.t.RuleSets, p.t.Reserves, p.t.since = sets, reserves, began
}

func (p *published) addTo(t *Totals) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.add(&p.t)
}
