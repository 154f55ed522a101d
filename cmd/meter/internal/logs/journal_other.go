//go:build !unix

package logs

import "io"

// IsJournal is true of nothing: there is no journal.
func IsJournal(io.Writer, string) bool { return false }
