package ipfix

import (
	"errors"
	"fmt"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/spool"
)

// session is what one connection of a liveOut carries.
type session struct {
	*liveOut
	generation uint64 // of the run whose templates are used
	sequence   uint32 // data records sent
	buf        []byte // the message that is on its way: the backlog's own may not be changed
}

// stream sends until nothing more is to be sent in this session. With an error
// it returns the message that was not sent, if it was one.
func (s *session) stream(intro []spool.Message) (failed *spool.Taken, err error) {
	if err := s.introduce(intro); err != nil {
		return nil, err
	}
	for s.ctx.Err() == nil {
		t, err := s.backlog.Take(s.generation)
		switch {
		case errors.Is(err, spool.ErrOtherRun):
			return nil, nil
		case err == nil:
			if err := s.message(&t); err != nil {
				return &t, err
			}
		case !s.backlog.Over():
			if err := s.wait(); err != nil {
				return nil, err
			}
		}
		if s.backlog.Over() {
			return nil, nil
		}
	}
	return nil, s.ctx.Err()
}

// introduce sends what a collector must know to read what follows: with the
// oldest of their times, for templates must not be younger than their records.
func (s *session) introduce(intro []spool.Message) error {
	for i := range intro {
		m := &intro[i]
		if err := s.transmit(m.Buf, intro[0].Buf[4:8], m.Records); err != nil {
			return err
		}
	}
	s.back()
	return nil
}

// transmit sends a message under this session's sequence number and the given
// export time.
func (s *session) transmit(msg, time []byte, records uint64) error {
	s.buf = append(s.buf[:0], msg...)
	copy(s.buf[4:8], time)
	stamp(s.buf, s.sequence)
	if err := s.tcp.Send(s.buf); err != nil {
		return err
	}
	s.sequence += uint32(records)
	s.e.stats.Octets.Add(uint64(len(msg)))
	s.e.stats.Messages.Add(1)
	s.worked()
	return nil
}

// message sends one of the backlog.
func (s *session) message(t *spool.Taken) error {
	if t.FromDisk {
		s.pacer.Take(s.ctx, int(t.Flows.Records))
	}
	s.worked()
	if err := s.transmit(t.Buf, t.Buf[4:8], t.Records); err != nil {
		return err
	}
	s.backlog.Sent(t, s.tcp.Unacknowledged())
	return nil
}

// wait waits for something to send, or for the end of the connection.
func (s *session) wait() error {
	s.worked()
	second := time.NewTimer(time.Second)
	defer second.Stop()
	select {
	case <-s.backlog.Ready():
	case <-s.ctx.Done():
	case <-s.tcp.Gone():
		return fmt.Errorf("%w by the collector: %v", exporters.ErrBroken, s.tcp.Cause()) // not %w: EOF is no end of ours
	case <-second.C:
		s.backlog.Settle(s.tcp.Unacknowledged())
	}
	return nil
}

// finish ends the connection in order. Before another run's templates, a
// collector that has acknowledged all but does not close its side is taken at
// its word; at the end it is not: what it may not have read is kept.
func (s *session) finish() error {
	err := s.tcp.Finish(finishWait)
	kept := s.e.cfg.Spool.Dir != "" && s.backlog.Over()
	if errors.Is(err, exporters.ErrNoAnswer) && s.tcp.Unacknowledged() == 0 && !kept {
		return nil
	}
	return err
}
