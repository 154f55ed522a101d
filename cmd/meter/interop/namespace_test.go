//go:build integration && linux

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// insideVariable tells a test that it runs in a network namespace of its own.
const insideVariable = "INTEROP_INSIDE"

// isolated runs the test once more in a process with a network namespace of
// its own, which ends with it, and returns false; inside it returns true.
func isolated(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideVariable) != "" {
		for _, which := range []string{"all", "default"} { // no packets but those of the test
			os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0o644)
		}
		run(t, "ip link set lo up")
		return true
	}
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("network namespaces need root")
		}
		t.Skip("network namespaces need root")
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v", "-test.count=1", "-test.parallel=8")
	cmd.Env = append(os.Environ(), insideVariable+"=1", binaryVariable+"="+meter)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	return false
}

// run runs a program, which must succeed, and returns what it prints.
func run(t *testing.T, format string, args ...any) string {
	t.Helper()
	line := fmt.Sprintf(format, args...)
	f := strings.Fields(line)
	out, err := exec.Command(f[0], f[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// veth makes a pair of interfaces that are up.
func veth(t *testing.T, a, b string) {
	t.Helper()
	run(t, "ip link add %s type veth peer name %s", a, b)
	for _, name := range []string{a, b} {
		run(t, "ip link set %s mtu 65535 up", name)
	}
	t.Cleanup(func() { run(t, "ip link del %s", a) })
}
