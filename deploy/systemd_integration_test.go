//go:build integration

package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowmeter/meter/lab"
)

// systemVariable names the root of another system whose systemd is to be tried.
const systemVariable = "METER_SYSTEM"

// TestSystemd boots a systemd in a container of its own, whose files are those
// of this machine, or of METER_SYSTEM, with all changes kept in memory, and takes
// the package and its service through their life there; testdata/systemd.sh says
// how.
func TestSystemd(t *testing.T) {
	lab.NeedRoot(t)
	lab.Tool(t, "systemd-nspawn")
	dir := open(t)
	lab.Said(t, "cp", built(t).deb, filepath.Join(dir, "meter.deb"))
	lab.Said(t, "cp", "testdata/systemd.sh", "systemd/drop-ins/notify-reload.conf", dir)
	lab.Said(t, "cp", "testdata/systemd-config.yaml", filepath.Join(dir, "config.yaml"))
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("trial.service", `[Unit]
Description=The trial of TestSystemd
Requires=basic.target
After=basic.target
SuccessAction=exit-force
FailureAction=exit-force

[Service]
Type=oneshot
ExecStart=/bin/bash /trial/systemd.sh
StandardOutput=file:/trial/log
`)
	name := fmt.Sprintf("meter-deploy-%d", os.Getpid())
	system := os.Getenv(systemVariable)
	if system == "" {
		system = "/"
	}
	defer removeGroups(t)
	p := lab.Start(t, append(controlGroups(), "systemd-nspawn", "--directory="+overSystem(t, system), "--register=no", "--keep-unit", "--quiet",
		"--private-network", "--link-journal=no", "--machine="+name, "--bind="+dir+":/trial", "--bind-ro="+filepath.Join(dir, "trial.service")+":/etc/systemd/system/trial.service",
		"--boot", "--", "systemd.unit=trial.service", "systemd.log_color=no")...)
	status := p.Wait()
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatalf("status %d, %v\n%s", status, err, p.Out.String())
	}
	t.Logf("%s", log)
	if status != 0 {
		t.Errorf("the trial ended with status %d", status)
	}
	var got strings.Builder
	for line := range strings.Lines(string(log)) {
		if strings.HasPrefix(line, "is ") {
			got.WriteString(line)
		}
	}
	const caps = "CapPrm: 0000000000002000 CapEff: 0000000000002000 CapBnd: 0000000000002000 CapAmb: 0000000000002000 "
	want := "is enabled after the installation: disabled, inactive\n" +
		"is user: meter\n" +
		"is without inputs: exit-code, status 2, restarts 0\n" +
		"is active: active, running, of type notify\n" +
		"is runs as meter, " + caps + "seccomp 2\n" +
		"is state: meter 700\n" +
		"is the time of its start is told\n" +
		"is ready: HTTP/1.0 200 OK\n" +
		"is reloaded: success 1, rule set \"name\": \"hosts\", active\n" +
		"is hung up: success 1, active\n" +
		"is reload of a mistake: refused, active\n" +
		waitedFor(string(log)) +
		"is upgraded: restarted, active\n" +
		"is the configuration is kept\n" +
		"is stopped: success, status 0\n" +
		"is records are written\n" +
		"is purged: 0 left, not enabled\n"
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("the life of the service (-want +got):\n%s", diff)
	}
}

// waitedFor is what the log is to say of Type=notify-reload, where systemd knows
// that.
func waitedFor(log string) string {
	if strings.Contains(log, "does not know notify-reload") {
		return ""
	}
	return "is restarted: of type notify-reload; systemd finds in it ''\n" +
		"is reloaded, and waited for: success 1, active\n" +
		"is reload of a mistake: refused, active\n" +
		"is and as it was: success 0\n"
}

// overSystem returns a root with the files of a system, whose changes are kept in
// memory and go with the test.
func overSystem(t *testing.T, lower string) string {
	t.Helper()
	dir := open(t)
	mount := func(args ...string) {
		lab.Said(t, "mount", args...)
		t.Cleanup(func() { lab.Said(t, "umount", args[len(args)-1]) })
	}
	mount("-t", "tmpfs", "-o", "mode=755", "meter-deploy", dir)
	for _, name := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount("-t", "overlay", "-o", "lowerdir="+lower+",upperdir="+dir+"/upper,workdir="+dir+"/work", "meter-deploy", dir+"/root")
	return dir + "/root"
}

// controlGroups returns what is put before systemd-nspawn: where the machine has
// control groups of version 1, or both, the container is to have the same.
func controlGroups() []string {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return []string{"env"}
	}
	return []string{"env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0"}
}

// removeGroups removes the control groups and the folder that systemd-nspawn leaves behind
// where it keeps to the unit that it is started from.
func removeGroups(t *testing.T) {
	// And this one, which it takes for a part of the machine.
	names, _ := filepath.Glob(fmt.Sprintf("/run/systemd/nspawn/propagate/meter-deploy-%d", os.Getpid()))
	for _, name := range names {
		os.Remove(name)
	}
	var dirs []string
	for _, hierarchy := range []string{"", "systemd", "unified"} {
		for _, name := range []string{"payload", "supervisor"} {
			dirs = append(dirs, filepath.Join("/sys/fs/cgroup", hierarchy, name))
		}
	}
	for _, dir := range dirs {
		var all []string
		filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				all = append(all, path)
			}
			return nil
		})
		for i := len(all) - 1; i >= 0; i-- { // those within first
			if err := os.Remove(all[i]); err != nil {
				t.Logf("left behind: %v", err)
			}
		}
	}
}
