package main

import "os"

// watch ends a run at a signal, or when whoever reads our output has gone.
type watch struct {
	out         *outputs
	done, ended chan struct{}
	signal      os.Signal // that came; nil if none
	hungUp      bool      // a reader of ours has closed its pipe
}

// newWatch calls stop at the first signal, or when a reader goes away. At a
// signal after that it calls cancel: exporters are not waited for any longer.
func newWatch(a *app, o *outputs, stop, cancel func()) *watch {
	w := &watch{out: o, done: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		select {
		case w.signal = <-a.signals:
		case <-o.hung.broken:
			w.hungUp = true
		case <-w.done:
			return
		}
		stop()
		select {
		case <-a.signals:
			cancel()
		case <-w.done:
		}
	}()
	return w
}

// end ends the watch; its fields may then be read.
func (w *watch) end() {
	close(w.done)
	<-w.ended
	select {
	case <-w.out.hung.broken:
		w.hungUp = true
	default:
	}
}
