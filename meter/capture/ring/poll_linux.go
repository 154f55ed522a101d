package ring

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// wait waits until a block is ready, Close or a change of the interfaces is
// told, or the time is over. Sockets that have stopped do not tell, so it
// looks after them.
func (r *Ring) wait(left time.Duration) {
	all := r.sockets.Load()
	if r.polled != all {
		r.polled = all
		r.poll = append(r.poll[:0], unix.PollFd{Fd: int32(r.wake), Events: unix.POLLIN})
		for _, s := range *all {
			r.poll = append(r.poll, unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN})
		}
	}
	fds := r.poll
	if r.waiting {
		fds, left = fds[:1], min(left, heldWait)
	}
	if slices.ContainsFunc(*all, func(s *socket) bool { return s.stopped.Load() }) {
		left = min(left, heldWait)
	}
	r.waiting = false
	timeout := unix.NsecToTimespec(int64(left))
	if n, err := unix.Ppoll(fds, &timeout, nil); err != nil || n == 0 {
		return // interrupted, or the time is over
	}
	r.told(fds, *all)
}

// told looks at what poll has said.
func (r *Ring) told(fds []unix.PollFd, all []*socket) {
	if fds[0].Revents != 0 {
		var count [8]byte
		unix.Read(int(fds[0].Fd), count[:])
	}
	for i, f := range fds[1:] {
		if f.Revents&unix.POLLERR != 0 {
			all[i].clearError()
		}
		r.waiting = r.waiting || f.Revents&unix.POLLIN != 0
	}
}
