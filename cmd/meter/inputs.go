package main

import (
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"flowmeter/meter"
	"flowmeter/meter/capture"
)

// inputs are the traces of a run and how far they have been read.
type inputs struct {
	paths   []string
	size    int64 // of all files, or -1 if that is not known
	done    atomic.Int64
	current atomic.Pointer[progress]
}

// progress is a source that tells how far it has been read.
type progress struct {
	of interface{ Progress() (read, size int64) }
}

func newInputs(paths []string) *inputs {
	in := &inputs{paths: paths}
	for _, p := range paths {
		st, err := os.Stat(p)
		if err != nil || !st.Mode().IsRegular() {
			in.size = -1
			return in
		}
		in.size += st.Size()
	}
	return in
}

// open returns how the meter opens the traces: one after the other, with one
// pool of buffers, or all together in the order of time.
func (in *inputs) open(merge bool) []meter.Open {
	pool := capture.NewPool(capture.DefaultReaderConfig())
	if merge {
		return []meter.Open{func() (meter.Source, error) {
			m, err := capture.OpenMerged(pool, in.paths)
			if err != nil {
				return nil, err
			}
			in.current.Store(&progress{m})
			return m, nil
		}}
	}
	var all []meter.Open
	for _, p := range in.paths {
		all = append(all, func() (meter.Source, error) {
			in.finish()
			r, err := pool.Open(p)
			if err != nil {
				return nil, err
			}
			in.current.Store(&progress{r})
			return r, nil
		})
	}
	return all
}

// finish notes that the trace before this one has been read.
func (in *inputs) finish() {
	if r := in.current.Swap(nil); r != nil {
		n, _ := r.of.Progress()
		in.done.Add(n)
	}
}

func (in *inputs) read() int64 {
	n := in.done.Load()
	if r := in.current.Load(); r != nil {
		now, _ := r.of.Progress()
		n += now
	}
	return n
}

// showProgress draws a bar on a terminal once a second has gone by. The
// function returned takes it away.
func (in *inputs) showProgress(w io.Writer) (stop func()) {
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	end, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		in.draw(f, end)
	}()
	return func() {
		close(end)
		<-gone
	}
}

func (in *inputs) draw(w io.Writer, end <-chan struct{}) {
	select {
	case <-end:
		return
	case <-time.After(time.Second):
	}
	bar := progressbar.NewOptions64(in.size, progressbar.OptionSetWriter(w), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription("reading"), progressbar.OptionClearOnFinish())
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		bar.Set64(in.read())
		select {
		case <-end:
			bar.Finish()
			return
		case <-tick.C:
		}
	}
}
