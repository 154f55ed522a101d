package capture

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Expand returns the traces that patterns name, in the order given; those
// that match one pattern are sorted. A name that exists, and "-", stands for
// itself, also if it holds characters of a pattern (filepath.Match). The
// error names each pattern that nothing matches; the traces found are
// returned with it.
func Expand(patterns []string) ([]string, error) {
	var paths []string
	var errs []error
	for _, p := range patterns {
		found, err := expand(p)
		paths = append(paths, found...)
		errs = append(errs, err)
	}
	return paths, errors.Join(errs...)
}

func expand(pattern string) ([]string, error) {
	if pattern == "-" {
		return []string{pattern}, nil
	}
	if _, err := os.Stat(pattern); err == nil {
		return []string{pattern}, nil
	} else if !strings.ContainsAny(pattern, `*?[`) {
		return nil, fmt.Errorf("%s: %w", pattern, errors.Unwrap(err))
	}
	found, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pattern, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: no file of this name, and none matches it", pattern)
	}
	return found, nil
}
