// Package cgroup reads how much memory the control groups of this process
// leave it, version 1 and 2.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Unlimited stands for no limit.
const Unlimited = ^uint64(0)

// MemoryLimit returns the octets that the process may have: the least of the
// limits of its control group and of all above it that can be seen, or
// Unlimited. root is the file system from / on.
func MemoryLimit(root fs.FS) (uint64, error) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) {
		return Unlimited, nil // no Linux, or no control groups
	}
	if err != nil {
		return 0, err
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return 0, err
	}
	g, found := memoryGroup(string(groups))
	if !found {
		return Unlimited, nil
	}
	m, found := findMount(string(mounts), g.v1)
	if !found {
		return Unlimited, nil
	}
	return m.limit(root, g)
}

// group is the control group that counts the memory of the process.
type group struct {
	path string
	v1   bool
}

// memoryGroup finds it in /proc/self/cgroup, whose lines are
// hierarchy:controllers:path (cgroups(7)). Version 2 has hierarchy 0 and no
// controllers; where both versions are mounted, memory is where it is named.
func memoryGroup(text string) (g group, found bool) {
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) < 3 {
			continue
		}
		if slices.Contains(strings.Split(f[1], ","), "memory") {
			return group{f[2], true}, true
		}
		if f[0] == "0" && f[1] == "" {
			g, found = group{f[2], false}, true
		}
	}
	return g, found
}

// mount is where a hierarchy of control groups can be seen, or a part of it.
type mount struct {
	root  string // the group that is mounted
	point string
}

// findMount finds it in /proc/self/mountinfo (proc(5)): … root point options
// optional… - type source super-options.
func findMount(text string, v1 bool) (mount, bool) {
	for line := range strings.Lines(text) {
		before, after, found := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		f, s := strings.Fields(before), strings.Fields(after)
		if !found || len(f) < 5 || len(s) < 3 {
			continue
		}
		isV1 := s[0] == "cgroup" && slices.Contains(strings.Split(s[2], ","), "memory")
		if v1 && isV1 || !v1 && s[0] == "cgroup2" {
			return mount{unescape.Replace(f[3]), unescape.Replace(f[4])}, true
		}
	}
	return mount{}, false
}

// unescape undoes what mountinfo does to names.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// limit returns the least limit from the group up to the mount's root.
func (m mount) limit(root fs.FS, g group) (uint64, error) {
	files := []string{"memory.max", "memory.high"}
	if g.v1 {
		files = []string{"memory.limit_in_bytes"}
	}
	least := Unlimited
	for below := m.below(g.path); ; below = path.Dir(below) {
		for _, name := range files {
			n, err := readLimit(root, path.Join(m.point, below, name))
			if err != nil {
				return 0, err
			}
			least = min(least, n)
		}
		if below == "/" {
			return least, nil
		}
	}
}

// below returns where a group is below the mount point. A group that is not
// below the mount's root is that of another name space: only the root is seen.
func (m mount) below(group string) string {
	if m.root == "/" {
		return path.Join("/", group)
	}
	rest, found := strings.CutPrefix(group, m.root)
	if !found || rest != "" && rest[0] != '/' {
		return "/"
	}
	return path.Join("/", rest)
}

// readLimit reads a file of one number, or "max". The root group has none.
func readLimit(root fs.FS, file string) (uint64, error) {
	text, err := fs.ReadFile(root, strings.TrimPrefix(file, "/"))
	if errors.Is(err, fs.ErrNotExist) {
		return Unlimited, nil
	}
	if err != nil {
		return 0, err
	}
	word := strings.TrimSpace(string(text))
	if word == "max" {
		return Unlimited, nil
	}
	n, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: expected a number of octets, found %q", file, word)
	}
	if n >= noLimitV1 {
		return Unlimited, nil
	}
	return n, nil
}

// noLimitV1 is what version 1 has in place of max: 2^63 less the rest of a
// page, of whatever size.
const noLimitV1 = 1<<63 - 1<<20
