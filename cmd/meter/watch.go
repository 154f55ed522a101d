package main

import (
	"errors"
	"os"
	"syscall"
)

// watch ends a run at a signal, or when whoever reads our output has gone.
type watch struct {
	done, ended chan struct{}
	signal      os.Signal // that came; nil if none
	hungUp      bool      // a reader of ours has closed its pipe
}

// newWatch calls stop at the first signal, or when a reader goes away.
func newWatch(a *app, o *outputs, stop func()) *watch {
	w := &watch{done: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		select {
		case w.signal = <-a.signals:
		case err := <-o.broken:
			w.hungUp = errors.Is(err, syscall.EPIPE)
			o.broken <- err
		case <-w.done:
			return
		}
		stop()
	}()
	return w
}

// end ends the watch; its fields may then be read.
func (w *watch) end() {
	close(w.done)
	<-w.ended
}
