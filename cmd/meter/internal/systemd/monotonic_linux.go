package systemd

import (
	"time"

	"golang.org/x/sys/unix"
)

// monotonic is the kernel's CLOCK_MONOTONIC, which Go does not show.
func monotonic() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // fails only for clocks that are not there
	return time.Duration(t.Nano())
}
