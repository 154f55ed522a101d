package meter

import (
	"math"
	"math/rand/v2"
)

// sampler chooses one frame in n at random (RFC 5475 §5.2.1), before anything
// of it is looked at. It draws how many to pass over, not whether to pass over
// this one: a number a chosen frame, not one a frame. The zero value chooses
// every frame.
type sampler struct {
	left   uint64  // frames to pass over
	factor float64 // 1/ln(1-1/n); 0 to choose every frame
	rnd    *rand.Rand
}

func newSampler(n int, seed uint64) sampler {
	if n <= 1 {
		return sampler{}
	}
	s := sampler{factor: 1 / math.Log1p(-1/float64(n)), rnd: rand.New(rand.NewPCG(seed, uint64(n)))}
	s.left = s.draw()
	return s
}

// skip tells whether the next frame is passed over.
func (s *sampler) skip() bool {
	if s.left > 0 {
		s.left--
		return true
	}
	if s.factor != 0 {
		s.left = s.draw()
	}
	return false
}

// draw returns how many frames lie between two that are chosen independently
// with probability 1/n: geometrically distributed, by inversion.
func (s *sampler) draw() uint64 {
	return uint64(math.Log(1-s.rnd.Float64()) * s.factor)
}
