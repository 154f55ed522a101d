package rules

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"flowmeter/meter/conf"
)

// The bounds are compared with RFC 2724's formula in other arithmetic: a
// fraction for the linear series, and for the logarithmic one what the bound is
// the largest whole number of, as numbers of 4000 bits.
func TestBucketBounds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	cases := [][3]uint64{{25, 1500, 60}, {1000, 1_800_000, 60}, {1000, 10_000_000, 60}, {10, 10_000, 60}, {1, 1 << 16, 17}, {1, maxBound, 255}, {1, 2, 2}, {0, maxBound, 255}}
	for range 40 {
		lower := rnd.Uint64N(1 << rnd.IntN(30))
		cases = append(cases, [3]uint64{lower, lower + 1 + rnd.Uint64N(1<<(1+rnd.IntN(38))), 2 + rnd.Uint64N(MaxBuckets-1)})
	}
	made := 0
	for _, c := range cases {
		for _, log := range []bool{false, true} {
			if log && c[0] == 0 {
				continue
			}
			d := newDistribution(PacketSize, log, c[0], c[1], int(c[2]), 0)
			want, distinct := wantBounds(log, c[0], c[1], int64(c[2]))
			if distinct != (d != nil) {
				t.Errorf("%v, logarithmic %v: made %v, the bounds are distinct: %v", c, log, d != nil, distinct)
			}
			if d != nil && !slices.Equal(d.Bounds, want) {
				t.Errorf("%v, logarithmic %v:\ngot  %v\nwant %v", c, log, d.Bounds, want)
			}
			if d != nil {
				made++
			}
		}
	}
	t.Logf("%d series", made)
}

func wantBounds(log bool, lower, upper uint64, n int64) (bounds []uint64, distinct bool) {
	distinct = true
	for i := range n {
		l, u := new(big.Int).SetUint64(lower), new(big.Int).SetUint64(upper)
		var b uint64
		if log {
			x := new(big.Int).Mul(new(big.Int).Exp(l, big.NewInt(n-1-i), nil), new(big.Int).Exp(u, big.NewInt(i), nil))
			b = root(x, n-1)
		} else {
			step := new(big.Rat).SetFrac(new(big.Int).Sub(u, l), big.NewInt(n-1))
			x := step.Add(step.Mul(step, big.NewRat(i, 1)), new(big.Rat).SetInt(l))
			b = new(big.Int).Quo(x.Num(), x.Denom()).Uint64()
		}
		distinct = distinct && (i == 0 || b != bounds[i-1])
		bounds = append(bounds, b)
	}
	return bounds, distinct
}

// root returns the n-th root of x, rounded down, found bit by bit.
func root(x *big.Int, n int64) (r uint64) {
	for bit := uint64(1) << 41; bit > 0; bit >>= 1 {
		if new(big.Int).Exp(new(big.Int).SetUint64(r|bit), big.NewInt(n), nil).Cmp(x) <= 0 {
			r |= bit
		}
	}
	return r
}

// FuzzBucket checks that a value is in the first bucket whose bound, as a
// fraction in the unit of what is measured, is not below it.
func FuzzBucket(f *testing.F) {
	f.Add(uint8(0), false, uint64(25), uint64(1500), uint8(60), uint64(5000), uint64(40))
	f.Add(uint8(1), true, uint64(1000), uint64(1800000), uint8(60), uint64(1), uint64(1000001))
	f.Add(uint8(3), true, uint64(1), uint64(1e12), uint8(255), uint64(3600000), uint64(1e15))
	f.Add(uint8(4), false, uint64(0), uint64(10), uint8(5), uint64(1), uint64(3))
	f.Fuzz(func(t *testing.T, quantity uint8, log bool, lower, upper uint64, buckets uint8, millis, v uint64) {
		q, window := Quantity(quantity)%NumQuantities, time.Duration(1+millis%3_600_000)*time.Millisecond
		lower, upper = lower%maxBound, upper%(maxBound+1)
		if buckets < 2 || lower >= upper || log && lower == 0 {
			return
		}
		d := newDistribution(q, log, lower, upper, int(buckets), window)
		if d == nil {
			return
		}
		if len(d.Bounds) != int(buckets) || d.Bounds[0] != lower || d.Bounds[buckets-1] != upper || !slices.IsSorted(d.Bounds) {
			t.Fatalf("bounds from %d to %d in %d: %v", lower, upper, buckets, d.Bounds)
		}
		value := new(big.Rat).SetInt(new(big.Int).SetUint64(v))
		switch q {
		case InterArrival, Turnaround:
			value.Quo(value, big.NewRat(1000, 1))
		case BitRate, PacketRate:
			value.Quo(value, big.NewRat(int64(window), int64(time.Second)))
		}
		want := 0
		for want < len(d.Bounds) && value.Cmp(new(big.Rat).SetInt(new(big.Int).SetUint64(d.Bounds[want]))) > 0 {
			want++
		}
		if got := d.Bucket(v); got != want {
			t.Errorf("%v of %v: %d is in bucket %d, want %d", d.Bounds, q, v, got, want)
		}
	})
}

// TestMeasure reads measure: in its forms.
func TestMeasure(t *testing.T) {
	program := func(text string) *Program {
		v, c := conf.Parse("rules", []byte(text))
		sets, _ := ParseFile(v, DefaultNetworks())
		if err := c.Err(); err != nil {
			t.Fatal(err)
		}
		return sets[0].Program
	}
	whole := program(`
- {if: tcp, measure: [packet_size, {turnaround: {log: 10us..2s, buckets: 5}}]}
- {if: udp, measure: {bit_rate: {linear: 0..1M, buckets: 11, window: 1s}, packet_rate: {log: 1..2k, buckets: 3}}}
- {if: icmp, measure: turnaround, do: count}
- {do: count}`)
	ds := whole.Distributions()
	for q, want := range map[Quantity][]uint64{
		Turnaround: {10, 211, 4472, 94574, 2_000_000},
		BitRate:    {0, 100_000, 200_000, 300_000, 400_000, 500_000, 600_000, 700_000, 800_000, 900_000, 1_000_000},
		PacketRate: {1, 44, 2000},
	} {
		if !slices.Equal(ds[q].Bounds, want) {
			t.Errorf("%v: %v, want %v", q, ds[q].Bounds, want)
		}
	}
	if n := len(ds[PacketSize].Bounds); n != 60 || ds[InterArrival] != nil {
		t.Errorf("%d bounds of packet sizes; of inter-arrival times %v", n, ds[InterArrival])
	}
	if ds[PacketRate].Window != 5*time.Second || ds[BitRate].Window != time.Second {
		t.Errorf("windows %v, %v", ds[BitRate].Window, ds[PacketRate].Window)
	}
	for text, same := range map[string]bool{
		"[{measure: packet_size, do: count}]":                       true,
		"[{measure: [packet_size: {linear: 25..1500}], do: count}]": true,
		"[{measure: [packet_size: {linear: 25..1501}], do: count}]": false,
		"[{measure: [inter_arrival], do: count}]":                   false,
		"[{do: count}]": false,
		"[{measure: {packet_size: {buckets: 60}}, do: count}]": true,
	} {
		if got := program("[{measure: [packet_size], do: count}]").Equal(program(text)); got != same {
			t.Errorf("%s: equal %v, want %v", text, got, same)
		}
	}
	if program("[{do: count}]").Measures() || !whole.Measures() {
		t.Error("Measures")
	}
}
