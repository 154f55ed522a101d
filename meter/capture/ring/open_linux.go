package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// retireAfter is how many milliseconds the kernel fills a block before it
// hands it over with what is in it.
const retireAfter = 50

// slot is the size of the ring's frames. TPACKET_V3 packs frames of any size
// into a block, and wants the number all the same.
const slot = 2048

// step is one thing that is done to a socket before it reads.
type step struct {
	what string
	do   func(s *socket) error
}

// openSockets opens the sockets of all workers on an interface. They begin
// together, with the filter in place: while the group gathers, no socket takes
// a frame that would be another's.
func (in *Input) openSockets(p *port, l link) ([]*socket, error) {
	var all []*socket
	fail := func(err error) ([]*socket, error) {
		for _, s := range all {
			s.discard()
		}
		return nil, err
	}
	group := newGroup
	for range in.cfg.Workers {
		s, err := in.openSocket(p, l)
		if err != nil {
			return fail(err)
		}
		all = append(all, s)
		if in.cfg.Workers > 1 {
			if group, err = s.join(group, l.hardware == loopback); err != nil {
				return fail(fmt.Errorf("PACKET_FANOUT: %w", err))
			}
		}
	}
	if in.cfg.Workers > 1 {
		if err := all[0].choose(in.cfg.Workers); err != nil {
			return fail(fmt.Errorf("PACKET_FANOUT_DATA: %w", err))
		}
	}
	for _, s := range all {
		if err := attachFilter(s.fd, in.filter); err != nil {
			return fail(fmt.Errorf("SO_ATTACH_FILTER: %w", err))
		}
	}
	return all, nil
}

// openSocket opens a socket that takes no frames yet. Its protocol is 0 until
// it is bound, so that none of another interface comes.
func (in *Input) openSocket(p *port, l link) (*socket, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	s := &socket{port: p, fd: fd, walker: walker{number: p.number, vnet: in.segments}}
	s.holders.Store(1)
	if l.name == anyName {
		s.walker.numbers = &in.names
	}
	for _, step := range in.steps(l) {
		if err := step.do(s); err != nil {
			s.discard()
			return nil, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return s, nil
}

func (in *Input) steps(l link) []step {
	option := func(name, value int) func(s *socket) error {
		return func(s *socket) error { return unix.SetsockoptInt(s.fd, unix.SOL_PACKET, name, value) }
	}
	steps := []step{
		{"PACKET_VERSION", option(unix.PACKET_VERSION, unix.TPACKET_V3)},
		{"PACKET_RESERVE", option(unix.PACKET_RESERVE, tagLen)},
	}
	if in.segments {
		steps = append(steps, step{"PACKET_VNET_HDR", option(unix.PACKET_VNET_HDR, 1)})
	}
	if hardwareTimes(l.name) {
		steps = append(steps, step{"PACKET_TIMESTAMP", (*socket).useClock})
	}
	if l.hardware == loopback {
		steps = append(steps, step{"PACKET_IGNORE_OUTGOING", option(unix.PACKET_IGNORE_OUTGOING, 1)})
	}
	steps = append(steps,
		step{"PACKET_RX_RING", in.mapRing},
		step{"SO_ATTACH_FILTER", func(s *socket) error { return attachFilter(s.fd, dropAll) }},
		step{"bind", func(s *socket) error {
			return unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: l.index})
		}})
	if in.cfg.Promiscuous && l.name != anyName {
		steps = append(steps, step{"PACKET_ADD_MEMBERSHIP", func(s *socket) error {
			return unix.SetsockoptPacketMreq(s.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
				&unix.PacketMreq{Ifindex: int32(l.index), Type: unix.PACKET_MR_PROMISC})
		}})
	}
	return steps
}

// mapRing has the kernel make the ring, and maps it.
func (in *Input) mapRing(s *socket) error {
	size := in.cfg.blockSize()
	blocks := in.cfg.Size / size
	err := unix.SetsockoptTpacketReq3(s.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq3{
		Block_size:     uint32(size),
		Block_nr:       uint32(blocks),
		Frame_size:     slot,
		Frame_nr:       uint32(blocks * (size / slot)),
		Retire_blk_tov: retireAfter,
	})
	if err != nil {
		return err
	}
	s.memory, err = unix.Mmap(s.fd, 0, blocks*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	s.blocks = make([]block, blocks)
	for i := range s.blocks {
		s.blocks[i].socket = s
		s.blocks[i].octets = s.memory[i*size : (i+1)*size : (i+1)*size]
	}
	return nil
}

// discard closes a socket that nobody reads.
func (s *socket) discard() {
	if s.memory != nil {
		unix.Munmap(s.memory)
	}
	unix.Close(s.fd)
}

// newGroup is no group's number. 0 is one.
const newGroup = -1

// join makes the socket the next of a fanout group, or of a new one if there
// is none, and returns the group's number. Workers are numbered in the order
// in which their sockets join.
func (s *socket) join(group int, loopback bool) (int, error) {
	kind := unix.PACKET_FANOUT_CBPF
	if loopback {
		kind |= unix.PACKET_FANOUT_FLAG_IGNORE_OUTGOING
	}
	if group == newGroup {
		kind |= unix.PACKET_FANOUT_FLAG_UNIQUEID
	}
	err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, kind<<16|max(group, 0))
	if err != nil || group != newGroup {
		return group, err
	}
	got, err := unix.GetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	return got & 0xffff, err
}

// choose gives the socket's group its program.
func (s *socket) choose(workers int) error {
	var program []bpf.RawInstruction
	for _, in := range fanoutProgram(workers) {
		raw, err := in.Assemble()
		if err != nil {
			return err
		}
		program = append(program, raw)
	}
	return setProgram(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT_DATA, program)
}

func attachFilter(fd int, program []bpf.RawInstruction) error {
	return setProgram(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, program)
}

func setProgram(fd, level, option int, program []bpf.RawInstruction) error {
	// Both structures are struct sock_filter (linux/filter.h).
	first := (*unix.SockFilter)(unsafe.Pointer(&program[0]))
	return unix.SetsockoptSockFprog(fd, level, option, &unix.SockFprog{Len: uint16(len(program)), Filter: first})
}

// bigEndian returns a number of 16 bits as the network has it.
func bigEndian(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

// explain says what to do about an error of opening.
func explain(name string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		hint = " (reading interfaces needs CAP_NET_RAW: run as root, or grant it with setcap cap_net_raw+ep or AmbientCapabilities=CAP_NET_RAW)"
	case errors.Is(err, unix.ENOMEM):
		hint = " (there is not enough memory for the ring: make it smaller)"
	case errors.Is(err, unix.EAFNOSUPPORT):
		hint = " (the kernel is without packet sockets, or RestrictAddressFamilies= keeps AF_PACKET out)"
	case errors.Is(err, unix.ENOPROTOOPT):
		hint = " (the kernel is too old for that: Linux 4.20 or newer is needed)"
	}
	return fmt.Errorf("interface %s: %w%s", name, err, hint)
}
