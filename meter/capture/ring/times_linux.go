package ring

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// hardwareTimes tells whether the interface stamps what it receives with times
// of its own clock: it can (ETHTOOL_GET_TS_INFO), and somebody, as ptp4l or
// hwstamp_ctl does, has switched it on (SIOCGHWTSTAMP).
func hardwareTimes(name string) bool {
	if name == anyName {
		return false
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	const can = unix.SOF_TIMESTAMPING_RAW_HARDWARE | unix.SOF_TIMESTAMPING_RX_HARDWARE
	info, err := unix.IoctlGetEthtoolTsInfo(fd, name)
	if err != nil || info.So_timestamping&can != can {
		return false
	}
	is, err := unix.IoctlGetHwTstamp(fd, name)
	return err == nil && is.Rx_filter != unix.HWTSTAMP_FILTER_NONE
}

// useClock has the kernel take the NIC's times where it gives any.
func (s *socket) useClock() error {
	s.clock = true
	return unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_TIMESTAMP, unix.SOF_TIMESTAMPING_RAW_HARDWARE)
}

// How far the NIC's clock may be from the system's. A frame may have waited
// in the ring, so behind is not wrong yet.
const (
	clockAhead  = time.Second
	clockBehind = time.Hour
)

// checkClock sees whether the first frame of the block that was just taken
// has a time of the NIC's clock that cannot be: many run from boot on, or
// give international atomic time, which is 37 s ahead of UTC. Then the kernel
// stamps from now on, and the times of what is in the ring already are moved
// to about where they belong.
func (s *socket) checkClock(now time.Time) {
	t, ok := hardwareTime(s.current.octets, s.at.next)
	if !ok || t.Before(now.Add(clockAhead)) && t.After(now.Add(-clockBehind)) {
		return
	}
	s.clock = false
	s.walker.shift = now.UnixNano() - t.UnixNano()
	unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_TIMESTAMP, 0)
	s.port.log.Warn("hardware times are not used: the interface's clock does not give UTC (phc2sys can set it)",
		"interface", s.port.name, "off", t.Sub(now))
}

// hardwareTime returns the time of the frame at off if it is of the NIC.
func hardwareTime(block []byte, off uint64) (time.Time, bool) {
	if off < blockHeader || off+frameHeader > uint64(len(block)) {
		return time.Time{}, false
	}
	h := (*[frameHeader]byte)(block[off:])
	if u32(h, frameStatus)&unix.TP_STATUS_TS_RAW_HARDWARE == 0 {
		return time.Time{}, false
	}
	return time.Unix(int64(u32(h, frameSec)), int64(u32(h, frameNsec))), true
}

// udpSegments is the first kernel that tells the segments of UDP frames with a
// virtio header; those before drop such frames.
var udpSegments = [2]int{6, 2}

// wantSegments tells whether the kernel is asked for virtio headers.
func (in *Input) wantSegments() bool {
	if in.cfg.Offload != Segments {
		return in.cfg.Offload == AlwaysSegments
	}
	release := kernelRelease()
	if kernelAtLeast(release, udpSegments) {
		return true
	}
	in.log.Warn("frames of several packets (GRO, TSO) count as one: this kernel would drop those of UDP if it were asked for their segments; "+
		"offload: always-segments asks all the same", "kernel", release)
	return false
}

func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// kernelAtLeast compares a release such as 6.1.0-18-amd64.
func kernelAtLeast(release string, want [2]int) bool {
	major, rest, _ := strings.Cut(release, ".")
	digits := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
	if digits >= 0 {
		rest = rest[:digits]
	}
	m, err := strconv.Atoi(major)
	n, nerr := strconv.Atoi(rest)
	if err != nil || nerr != nil {
		return false
	}
	return m > want[0] || m == want[0] && n >= want[1]
}
