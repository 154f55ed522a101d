package cgroup

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
)

// Mounts as the kernel shows them.
const (
	v2Mount     = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
	v2Container = "612 605 0:30 /docker/abc /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n"
	v1Mounts    = "30 24 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct\n" +
		"33 24 0:29 / /sys/fs/cgroup/memory rw shared:13 - cgroup cgroup rw,memory\n"
	hybridMount = "42 32 0:27 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw\n"
	otherMount  = "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\nnot a mount\n"
)

func TestMemoryLimit(t *testing.T) {
	const gib = 1 << 30
	for name, c := range map[string]struct {
		groups, mounts string
		files          map[string]string // below sys/fs/cgroup
		want           uint64
	}{
		"service": {"0::/system.slice/meter.service\n", otherMount + v2Mount, map[string]string{
			"system.slice/meter.service/memory.max": "1073741824\n", "system.slice/meter.service/memory.high": "max\n",
			"system.slice/memory.max": "max\n", "system.slice/memory.high": "max\n"}, gib},
		"high is less": {"0::/system.slice/meter.service\n", v2Mount, map[string]string{
			"system.slice/meter.service/memory.max": "2147483648\n", "system.slice/meter.service/memory.high": "1073741824\n"}, gib},
		"the slice has less": {"0::/system.slice/meter.service\n", v2Mount, map[string]string{
			"system.slice/meter.service/memory.max": "2147483648\n", "system.slice/memory.max": "1073741824\n"}, gib},
		"not limited": {"0::/system.slice/meter.service\n", v2Mount, map[string]string{
			"system.slice/meter.service/memory.max": "max\n"}, Unlimited},
		"root": {"0::/\n", v2Mount, nil, Unlimited},
		"container, name space of its own": {"0::/\n", v2Mount, map[string]string{
			"memory.max": "1073741824\n"}, gib},
		"container, name space of the host": {"0::/docker/abc\n", v2Container, map[string]string{
			"memory.max": "1073741824\n"}, gib},
		"below the container": {"0::/docker/abc/meter\n", v2Container, map[string]string{
			"meter/memory.max": "1073741824\n", "memory.max": "max\n"}, gib},
		"another container": {"0::/docker/abcdef\n", v2Container, map[string]string{
			"memory.max": "1073741824\n", "def/memory.max": "1\n"}, gib},
		"outside of what is mounted": {"0::/../other\n", v2Mount, map[string]string{
			"memory.max": "1073741824\n"}, gib},
		"version 1": {"4:memory:/meter\n3:cpu,cpuacct:/other\n0::/\n", v1Mounts, map[string]string{
			"memory/meter/memory.limit_in_bytes": "1073741824\n", "memory/memory.limit_in_bytes": "9223372036854771712\n",
			"cpu,cpuacct/other/memory.max": "1\n"}, gib},
		"version 1, not limited": {"4:memory:/\n", v1Mounts, map[string]string{
			"memory/memory.limit_in_bytes": "9223372036854771712\n"}, Unlimited},
		"version 1, large pages": {"4:memory:/\n", v1Mounts, map[string]string{
			"memory/memory.limit_in_bytes": "9223372036854710272\n"}, Unlimited},
		"both, memory in 1": {"4:memory:/meter\n0::/meter\n", hybridMount + v1Mounts, map[string]string{
			"memory/meter/memory.limit_in_bytes": "1073741824\n", "unified/meter/memory.max": "1\n"}, gib},
		"both, memory in 2": {"4:cpu:/x\n0::/meter\n", hybridMount + v1Mounts, map[string]string{
			"unified/meter/memory.max": "1073741824\n"}, gib},
		"with a colon and a space": {"0::/a:b c\n", strings.Replace(v2Mount, "/ /sys/fs/cgroup", `/ /sys/fs/cgroup/d\040e`, 1), map[string]string{
			"d e/a:b c/memory.max": "1073741824\n"}, gib},
		"not mounted": {"0::/meter\n", otherMount, nil, Unlimited},
		"no groups":   {"", v2Mount, nil, Unlimited},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{
				"proc/self/cgroup":    {Data: []byte(c.groups)},
				"proc/self/mountinfo": {Data: []byte(c.mounts)},
			}
			for file, text := range c.files {
				root["sys/fs/cgroup/"+file] = &fstest.MapFile{Data: []byte(text)}
			}
			got, err := MemoryLimit(root)
			if err != nil || got != c.want {
				t.Errorf("%d, %v; want %d", got, err, c.want)
			}
		})
	}
}

// TestErrors has files that cannot be understood: no limit is made up.
func TestErrors(t *testing.T) {
	root := fstest.MapFS{"proc/self/cgroup": {Data: []byte("0::/\n")}}
	if _, err := MemoryLimit(root); err == nil {
		t.Error("no mountinfo is no error")
	}
	root["proc/self/mountinfo"] = &fstest.MapFile{Data: []byte(v2Mount)}
	root["sys/fs/cgroup/memory.max"] = &fstest.MapFile{Data: []byte("much\n")}
	if _, err := MemoryLimit(root); err == nil || !strings.Contains(err.Error(), `/sys/fs/cgroup/memory.max: expected a number of octets, found "much"`) {
		t.Error(err)
	}
	if n, err := MemoryLimit(fstest.MapFS{}); n != Unlimited || err != nil {
		t.Errorf("without control groups: %d, %v", n, err)
	}
}

// TestThisMachine reads the real files, whatever they say.
func TestThisMachine(t *testing.T) {
	n, err := MemoryLimit(os.DirFS("/"))
	if err != nil || n == 0 {
		t.Errorf("%s: %d, %v", runtime.GOOS, n, err)
	}
}
