package ring

// appeared takes the news that an interface is there, new or changed.
func (in *Input) appeared(l link) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return
	}
	if in.cfg.any() {
		in.note([]link{l})
		return
	}
	for _, p := range in.ports {
		switch {
		case p.index == l.index && p.name != l.name:
			in.log.Warn("interface has another name now", "interface", p.name, "name", l.name)
			in.detach(p)
		case p.name == l.name && p.index != l.index && p.index != 0:
			in.detach(p) // the old one went without a word
		}
	}
	if !in.cfg.matches(l.name) {
		return
	}
	if err := in.meet(l); err != nil {
		in.failed(in.port(l.name), err)
	}
}

// meet opens an interface that is up and not read yet, and notes whether it is
// up. A ring of one that goes down and up again serves on.
func (in *Input) meet(l link) error {
	p := in.port(l.name)
	was := p.up
	p.up, p.index = l.up, l.index
	switch {
	case len(p.rings) > 0 && was && !l.up:
		in.log.Warn("interface is down", "interface", l.name)
	case len(p.rings) > 0 && !was && l.up:
		in.log.Info("interface is up again", "interface", l.name)
	case len(p.rings) == 0 && l.up:
		return in.attach(p, l)
	case len(p.rings) == 0 && !p.waits:
		p.waits = true
		in.log.Warn("interface is down; it is read once it is up", "interface", l.name)
	}
	return nil
}

// failed logs why an interface could not be opened, once.
func (in *Input) failed(p *port, err error) {
	p.up = false
	if p.failed != err.Error() {
		p.failed = err.Error()
		in.log.Error("interface cannot be read; it is tried again", "error", err)
	}
}

// vanished takes the news that an interface is gone.
func (in *Input) vanished(l link) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, p := range in.ports {
		if p.index != l.index || in.closed || in.cfg.any() {
			continue
		}
		p.failed, p.waits = "", false
		in.detach(p)
		in.log.Warn("interface is gone; it is read again if it comes back", "interface", p.name)
	}
}

// failing tells whether an interface is there, up, and could not be opened.
func (in *Input) failing() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, p := range in.ports {
		if len(p.rings) == 0 && p.failed != "" {
			return true
		}
	}
	return false
}

func (in *Input) isClosed() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.closed
}
