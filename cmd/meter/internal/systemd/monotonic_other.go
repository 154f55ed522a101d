//go:build !linux

package systemd

import "time"

// monotonic has nobody to be told to: systemd is Linux's.
func monotonic() time.Duration { return 0 }
