package meter

import (
	"math"
	"testing"
)

// TestSamplerChoosesOneInN: as many as a binomial distribution gives, within
// six standard deviations, with gaps of as many lengths as chance makes.
func TestSamplerChoosesOneInN(t *testing.T) {
	const frames = 1_000_000
	for _, n := range []int{2, 10, 1000} {
		s := newSampler(n, 1)
		chosen, gap, gaps := 0, 0, map[int]bool{}
		for range frames {
			if s.skip() {
				gap++
				continue
			}
			gaps[gap] = true
			chosen, gap = chosen+1, 0
		}
		p := 1 / float64(n)
		if off := math.Abs(float64(chosen) - frames*p); off > 6*math.Sqrt(frames*p*(1-p)) {
			t.Errorf("1 in %d: %d of %d", n, chosen, frames)
		}
		if len(gaps) < 10 {
			t.Errorf("1 in %d: only %d different gaps", n, len(gaps))
		}
	}
}

func TestSamplerOfOneChoosesAll(t *testing.T) {
	for _, s := range []sampler{{}, newSampler(1, 1)} {
		for range 1000 {
			if s.skip() {
				t.Fatal("passed over a frame")
			}
		}
	}
}
