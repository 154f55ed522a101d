package text

import (
	"fmt"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
)

// compact writes a count in at most four characters: 999, 1.2k, 12k, 1.5M.
func compact(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10)
	}
	v, prefix := humanize.ComputeSI(float64(n))
	switch {
	case v >= 999.5: // would be written with four digits
		v, prefix = humanize.ComputeSI(float64(n) * 1.001)
		fallthrough
	case v < 9.95:
		return fmt.Sprintf("%.1f%s", v, prefix)
	}
	return fmt.Sprintf("%.0f%s", v, prefix)
}

const day = 24 * time.Hour

// short writes a duration in at most six characters: 1.23ms, 12.3s, 4m05s,
// 2h30m, 10d4h.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d < time.Millisecond:
		return fmt.Sprintf("%.0fus", d.Seconds()*1e6)
	case d < time.Second:
		return fmt.Sprintf("%.0fms", d.Seconds()*1e3)
	case d < time.Minute:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 4*day:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
}

// tcpFlags writes the flags that are set, from FIN on: FSPA.
func tcpFlags(bits uint16) string {
	var letters []byte
	for i, letter := range "FSRPAUEC" {
		if bits>>i&1 != 0 {
			letters = append(letters, byte(letter))
		}
	}
	return string(letters)
}
