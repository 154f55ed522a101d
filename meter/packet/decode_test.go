package packet

import "testing"

type decodeTest struct {
	name string
	link LinkType
	data []byte
	wire uint32 // 0: as captured
	want Outcome
	h    Headers
}

func (d *decodeTest) wireLen() uint32 { return max(d.wire, uint32(len(d.data))) }

var decodeTests = []decodeTest{}

// checkPromises checks what Decode and Shard promise of any frame.
func checkPromises(t *testing.T, f frame) {}
