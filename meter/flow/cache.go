package flow

import "flowmeter/rules"

// cache remembers what the rules said of conversations: the decision cache of
// a Table. It is only a cache: a Table gives the same records with any size.
type cache struct {
	lines []line
	trail []rules.Trail // of each line, where the rules have use for them
	mask  uint32        // of sets
	ways  uint32
	size  int
	turn  uint32 // the way of a set to be replaced next
}

// line is what is known of one conversation: one cache line.
type line struct {
	tuple   tuple
	answers [4]answer // by variant
	flow    [2]int32  // flow of what each end sends, by Packet.dir
	serial  [2]uint32
	rules   [2]pair // and what answered for it
}

// answer is what the rules say of one variant of a conversation's packets:
// verdict + 1 in bits 0 to 2 (0: not known), class in bits 3 to 5, way in
// bit 6, and in bit 7 whether what the line has by Packet.dir is this variant's.
type answer uint8

const (
	answerWay   answer = 1 << 6
	answerClaim answer = 1 << 7
)

func newAnswer(v rules.Verdict, c rules.Class) answer {
	return answer(v+1) | answer(c)<<3
}

func (a answer) verdict() rules.Verdict { return rules.Verdict(a&7) - 1 }
func (a answer) class() rules.Class     { return rules.Class(a >> 3 & 7) }
func (a answer) way() Way               { return Way(a >> 6 & 1) }

const cacheWays = 4

// newCache makes a cache of the given number of lines, rounded down to a power
// of two. The lines are allocated when the first is needed.
func newCache(size int) *cache {
	c := &cache{size: size, ways: cacheWays}
	for c.size&(c.size-1) != 0 {
		c.size &= c.size - 1
	}
	if c.size < cacheWays {
		c.ways = uint32(c.size)
	}
	if c.size > 0 {
		c.mask = uint32(c.size)/c.ways - 1
	}
	return c
}

// at returns where the line of the packet's conversation is, or -1.
func (c *cache) at(p *Packet) int32 {
	if c.lines == nil {
		return -1
	}
	first := (p.hash & c.mask) * c.ways
	set := c.lines[first : first+c.ways : first+c.ways]
	for i := range set {
		if set[i].tuple == p.tuple {
			return int32(first) + int32(i)
		}
	}
	return -1
}

// line returns the line of the packet's conversation, made anew if need be, or
// nil if there is no cache.
func (c *cache) line(p *Packet) *line {
	if at := c.place(p); at >= 0 {
		return &c.lines[at]
	}
	return nil
}

// place is at, but makes the line if there is a cache.
func (c *cache) place(p *Packet) int32 {
	if at := c.at(p); at >= 0 || c.size == 0 {
		return at
	}
	if c.lines == nil {
		c.lines = make([]line, c.size)
	}
	at := (p.hash&c.mask)*c.ways + c.turn%c.ways
	c.turn++
	c.lines[at] = line{tuple: p.tuple}
	if c.trail != nil {
		c.trail[at] = rules.Trail{}
	}
	return int32(at)
}

// trailAt returns the Trail of the conversation whose line is at a place, or nil
// if that is nowhere.
func (c *cache) trailAt(at int32) *rules.Trail {
	if at < 0 {
		return nil
	}
	if c.trail == nil {
		c.trail = make([]rules.Trail, c.size)
	}
	return &c.trail[at]
}
