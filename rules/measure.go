package rules

import (
	"math"
	"math/big"
	"math/bits"
	"slices"
	"time"
)

// Quantity is what a distribution is of (RFC 2724 §4). Each is taken in both
// directions of a flow.
type Quantity uint8

const (
	PacketSize   Quantity = iota // octets of each packet
	InterArrival                 // time from the packet before in the same direction
	Turnaround                   // time from the packet before, where that went the other way
	BitRate                      // bits per second in windows of time
	PacketRate                   // packets per second in windows of time
	NumQuantities
)

var quantityNames = []string{"packet_size", "inter_arrival", "turnaround", "bit_rate", "packet_rate"}

// String returns packet_size, inter_arrival, turnaround, bit_rate or packet_rate.
func (q Quantity) String() string { return quantityNames[q] }

// Quantities is a set of them: bit q is of Quantity q.
type Quantities uint8

// Has tells whether q is among them.
func (qs Quantities) Has(q Quantity) bool { return qs>>q&1 != 0 }

// Distribution says how values of a quantity are sorted into buckets.
type Distribution struct {
	Log    bool          // the bounds are a geometric series, else an arithmetic one
	Lower  uint64        // highest value of the first bucket, in the unit of Bounds
	Upper  uint64        // highest value of the last one; behind it comes the overflow
	Window time.Duration // of rates

	// Bounds are the highest values of the buckets: octets, microseconds, bits
	// per second or packets per second. They are whole numbers: a term of the
	// series that is none is rounded down.
	Bounds []uint64

	// limits are the same in what is compared with them: octets, nanoseconds,
	// bits or packets in a window. The comparison is exact.
	limits []uint64
}

// Distributions are those that a rule set measures; nil for what it does not.
type Distributions [NumQuantities]*Distribution

// MaxBuckets bounds how many buckets a distribution has beside the overflow:
// RFC 2724 has one octet for it.
const MaxBuckets = 255

// newDistribution works out the bounds of RFC 2724 §4: from lower to upper in
// buckets equal steps, or equal ratios. It returns nil if two of them are the
// same whole number.
func newDistribution(q Quantity, log bool, lower, upper uint64, buckets int, window time.Duration) *Distribution {
	d := &Distribution{Log: log, Lower: lower, Upper: upper, Window: window, Bounds: make([]uint64, buckets)}
	bound := linearBound
	if log {
		bound = logBound
	}
	for i := range d.Bounds {
		d.Bounds[i] = bound(lower, upper, i, buckets-1)
		if i > 0 && d.Bounds[i] == d.Bounds[i-1] {
			return nil
		}
		d.limits = append(d.limits, d.limit(q, d.Bounds[i]))
	}
	return d
}

// linearBound returns lower + i/n of the way to upper, rounded down.
func linearBound(lower, upper uint64, i, n int) uint64 {
	hi, lo := bits.Mul64(upper-lower, uint64(i))
	q, _ := bits.Div64(hi, lo, uint64(n))
	return lower + q
}

// logBound returns lower*(upper/lower)^(i/n), rounded down: the largest b with
// b^n <= lower^(n-i) * upper^i. Floating point finds it, unless it comes so near
// to a whole number that its last digits would decide: bounds have 40 bits at
// most, which leaves 12 behind the point.
func logBound(lower, upper uint64, i, n int) uint64 {
	guess := float64(lower) * math.Pow(float64(upper)/float64(lower), float64(i)/float64(n))
	b := uint64(guess)
	if part := guess - float64(b); part > 1./64 && part < 63./64 {
		return b
	}
	return wholeRoot(b, lower, upper, i, n)
}

// wholeRoot is logBound by whole numbers alone, from a guess.
func wholeRoot(b, lower, upper uint64, i, n int) uint64 {
	power := func(b uint64, n int) *big.Int {
		return new(big.Int).Exp(new(big.Int).SetUint64(b), big.NewInt(int64(n)), nil)
	}
	want := power(lower, n-i)
	want.Mul(want, power(upper, i))
	for power(b, n).Cmp(want) > 0 {
		b--
	}
	for power(b+1, n).Cmp(want) <= 0 {
		b++
	}
	return b
}

// limit turns a bound into what values are compared with.
func (d *Distribution) limit(q Quantity, bound uint64) uint64 {
	switch q {
	case InterArrival, Turnaround:
		return bound * uint64(time.Microsecond)
	case BitRate, PacketRate:
		hi, lo := bits.Mul64(bound, uint64(d.Window))
		in, _ := bits.Div64(hi, lo, uint64(time.Second)) // bound and window are within maxBound and maxWindow
		return in
	}
	return bound
}

// Bucket returns the number of the bucket that a value is in: the first whose
// bound is not below it, or behind them the overflow. The value is in octets,
// nanoseconds, or bits or packets in a window.
func (d *Distribution) Bucket(v uint64) int {
	at, n := 0, len(d.limits)
	for n > 1 { // as often for every value, and without a branch within
		half := n / 2
		if d.limits[at+half-1] < v {
			at += half
		}
		n -= half
	}
	if d.limits[at] < v {
		at++
	}
	return at
}

func (d *Distribution) equal(o *Distribution) bool {
	if d == nil || o == nil {
		return d == o
	}
	return d.Window == o.Window && slices.Equal(d.Bounds, o.Bounds)
}

// Equal tells whether both measure the same in the same way.
func (ds *Distributions) Equal(o *Distributions) bool {
	return slices.EqualFunc(ds[:], o[:], (*Distribution).equal)
}

// Distributions returns what the rule set can measure.
func (p *Program) Distributions() *Distributions { return &p.distributions }

// Measures tells whether the rule set can measure anything.
func (p *Program) Measures() bool { return p.distributions != Distributions{} }
