package ring

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/net/bpf"
)

// Reprogram puts other programs in place of Config.Filter and Config.Cut, on
// interfaces that are read and on those that will be. No frame is lost over
// it. What is in the rings was still taken by the programs before.
func (in *Input) Reprogram(filter, cut []bpf.RawInstruction) error {
	if err := checkPrograms(filter, cut); err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	program := combine(filter, cut, in.cfg.Snaplen)
	in.cfg.Filter, in.cfg.Cut = filter, cut
	if slices.Equal(program, in.filter) {
		return nil
	}
	in.filter = program
	var errs []error
	for _, p := range in.ports {
		for _, s := range p.rings {
			if err := attachFilter(s.fd, program); err != nil {
				errs = append(errs, fmt.Errorf("interface %s: SO_ATTACH_FILTER: %w", p.name, err))
			}
		}
	}
	return errors.Join(errs...)
}
