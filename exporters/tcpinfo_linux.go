package exporters

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// unacknowledged returns how many octets written to conn the other side has
// not acknowledged (SIOCOUTQ). ok is false if the kernel does not say.
func unacknowledged(conn *net.TCPConn) (octets int, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	cerr := raw.Control(func(fd uintptr) { octets, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	return octets, err == nil && cerr == nil
}

// silent tells for how long the other side has acknowledged nothing although
// something waits to be: 0 while it answers, also where it answers that it has
// no room (a zero window).
func silent(conn *net.TCPConn) time.Duration {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	var info *unix.TCPInfo
	cerr := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err != nil || cerr != nil || info.Retransmits == 0 && info.Probes == 0 {
		return 0
	}
	return time.Duration(info.Last_ack_recv) * time.Millisecond
}
