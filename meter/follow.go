package meter

import "flowmeter/meter/capture"

// follow returns how to take the next batch of a source, and what to call when
// no more are wanted. A source that may wait for somebody to write, as a pipe,
// is read in a goroutine of its own, so that stop ends the waiting; the source
// is then closed when its read returns.
func follow(src Source, stop <-chan struct{}) (next func() (*capture.Batch, error), done func()) {
	if w, ok := src.(interface{ Waits() bool }); !ok || !w.Waits() {
		return src.Next, func() { src.Close() }
	}
	type result struct {
		batch *capture.Batch
		err   error
	}
	results, enough := make(chan result), make(chan struct{})
	go func() {
		defer src.Close()
		for {
			b, err := src.Next()
			select {
			case results <- result{b, err}:
			case <-enough:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	next = func() (*capture.Batch, error) {
		select {
		case r := <-results:
			return r.batch, r.err
		case <-stop:
			return nil, errLimit
		}
	}
	return next, func() { close(enough) }
}
