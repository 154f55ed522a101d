package collect

// sequence follows the sequence numbers of one exporter's observation domain.
type sequence struct {
	next  uint32
	known bool
}

// check takes a message's sequence number and by how much the next one's must
// be higher. It returns how much is missing before this message; back tells
// that the number went backwards: the exporter began anew, or messages
// overtook each other.
func (q *sequence) check(got, step uint32) (lost uint64, back bool) {
	gap := int32(got - q.next)
	back = q.known && gap < 0
	if q.known && gap > 0 {
		lost = uint64(gap)
	}
	q.next, q.known = got+step, true
	return lost, back
}

// forget makes the next message's number right whatever it is: this message
// held records that could not be counted.
func (q *sequence) forget() { q.known = false }
