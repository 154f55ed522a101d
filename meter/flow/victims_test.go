package flow

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// TestVictims keeps a small table full. Each flow that must make room has to be
// the one least recently seen, of several the first by address: the answer of
// looking at all of them. Clocks are coarse, so that many flows tie.
func TestVictims(t *testing.T) {
	for _, most := range []int{1, 2, 15, 16, 17, 200} {
		for _, tick := range []int64{1, 3, 1000} {
			t.Run(fmt.Sprintf("%d flows, clock moves every %d packets", most, tick), func(t *testing.T) {
				table := newTable(t, "", func(cfg *Config) { cfg.MaxFlows = most })
				rnd := rand.New(rand.NewPCG(uint64(most), uint64(tick)))
				seen := map[uint16]int64{} // by host
				for n := range int64(3000) {
					clock := n / tick
					host := uint16(rnd.IntN(2 * most))
					if rnd.IntN(3) == 0 {
						host = uint16(n) + 1000
					}
					var want []uint16
					if _, known := seen[host]; !known && len(seen) == most {
						want = []uint16{leastRecent(seen)}
						delete(seen, want[0])
					}
					seen[host] = clock
					p := tcp(0, 0, false)
					p.Src = v4(10, 1, byte(host>>8), byte(host))
					p.Clock, p.Time = clock, clock
					p.Prepare(&table.cfg.Seed)
					table.Update([]Packet{p})
					if got := evicted(t, table); !slices.Equal(got, want) {
						t.Fatalf("packet %d: %v made room, not %v", n, got, want)
					}
				}
			})
		}
	}
}

func leastRecent(seen map[uint16]int64) uint16 {
	victim, first := uint16(0), true
	for host, at := range seen {
		if first || at < seen[victim] || at == seen[victim] && host < victim {
			victim, first = host, false
		}
	}
	return victim
}

// evicted returns the sources of the flows that made room.
func evicted(t *testing.T, table *Table) (hosts []uint16) {
	for range table.Ready(Everything) {
		var r Record
		table.Next(&r)
		if r.EndReason != EndResources {
			t.Fatalf("a flow ended with %s", r.EndReason)
		}
		hosts = append(hosts, uint16(r.Key.Src.Addr[14])<<8|uint16(r.Key.Src.Addr[15]))
	}
	return hosts
}

// TestVictimsAfterAStepOfTheClock: what was known before it is void.
func TestVictimsAfterAStepOfTheClock(t *testing.T) {
	table := newTable(t, "", func(cfg *Config) { cfg.MaxFlows = 100 })
	for _, start := range []int64{1000 * second, 10 * second, 10 * second} {
		table.Restart(start)
		for host := range uint16(150) {
			p := tcp(0, 0, false)
			p.Src = v4(10, 1, 0, byte(host))
			p.Clock = start + int64(host)
			p.Prepare(&table.cfg.Seed)
			table.Update([]Packet{p})
			got := evicted(t, table)
			if host < 100 && got != nil || host >= 100 && !slices.Equal(got, []uint16{host - 100}) {
				t.Fatalf("host %d: %v made room", host, got)
			}
		}
		table.Flush(start+1000, EndForced)
		for range table.Ready(Everything) {
			table.Next(new(Record))
		}
	}
}

// TestStepsOfTheClockAreCheap sees to it that a step of the clock costs no look
// at the records that were used long before it.
func TestStepsOfTheClockAreCheap(t *testing.T) {
	table := newTable(t, "", nil)
	ps := make([]Packet, 5000)
	for i := range ps {
		ps[i] = tcp(0, packet.ACK, false)
		ps[i].SrcPort = uint16(i)
	}
	for range 2 {
		if n := len(records(table, ps...)); n != len(ps) {
			t.Fatalf("%d records, want %d", n, len(ps))
		}
		if n := table.store.next; n != int32(len(ps)) {
			t.Errorf("%d records of the store in use, want %d", n, len(ps))
		}
		table.Restart(0)
		if table.store.next != 0 {
			t.Errorf("a step of the clock left %d records to look at", table.store.next)
		}
	}
}

// TestOverload has the clock stand still: evicted records cannot go, and once
// as many wait as may, new flows are refused and counted so.
func TestOverload(t *testing.T) {
	table := newTable(t, "", func(cfg *Config) { cfg.MaxFlows = 10 })
	const packets = leastWaiting + 100
	for n := range packets {
		p := tcp(1, 0, false)
		p.Src = v4(10, byte(n>>16), byte(n>>8), byte(n))
		p.Prepare(&table.cfg.Seed)
		table.Update([]Packet{p})
	}
	known := tcp(1, 0, false)
	last := leastWaiting + 9 // the last flow that was let in
	known.Src = v4(10, byte(last>>16), byte(last>>8), byte(last))
	known.Prepare(&table.cfg.Seed)
	table.Update([]Packet{known})
	c := &table.Counts
	if over := c.Verdicts[rules.NoRoom]; over != 90 || c.Verdicts[rules.Counted] != packets-90+1 {
		t.Errorf("%d packets refused, want 90; %d counted", over, c.Verdicts[rules.Counted])
	}
	if n := table.Ready(Everything); n != leastWaiting {
		t.Errorf("%d records wait, want %d", n, leastWaiting)
	}
}
