//go:build integration

package deploy

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowmeter/meter/lab"
)

// docs is where packages have the pages of the manual.
const docs = "/usr/share/doc/meter/docs"

// TestFilesOfThePackages compares what both packages hold, with modes and
// owners, with a list; the manual is compared with the project's.
func TestFilesOfThePackages(t *testing.T) {
	p := built(t)
	for name, list := range map[string]string{
		"deb-files.txt": listDeb(t, p.deb),
		"rpm-files.txt": lab.Said(t, "rpm", "-qp", "--queryformat", `[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES}\n]`, p.rpm),
	} {
		var rest, manual []string
		for line := range strings.Lines(list) {
			path := line[strings.LastIndex(line, " ")+1:]
			if page, isPage := strings.CutPrefix(strings.TrimSpace(path), docs+"/"); isPage && line[0] == '-' {
				manual = append(manual, page)
			} else if !strings.HasPrefix(path, docs) {
				rest = append(rest, line)
			}
		}
		slices.Sort(rest)
		golden(t, name, strings.Join(rest, ""))
		slices.Sort(manual)
		if diff := cmp.Diff(pages(t), manual); diff != "" {
			t.Errorf("%s: the manual is not the project's (-want +got):\n%s", name, diff)
		}
	}
}

// listDeb lists files as rpm does: mode, owner, path.
func listDeb(t *testing.T, deb string) string {
	var all strings.Builder
	for line := range strings.Lines(lab.Said(t, "dpkg-deb", "-c", deb)) {
		f := strings.Fields(line)
		all.WriteString(f[0] + " " + f[1] + " " + strings.TrimSuffix(strings.TrimPrefix(f[5], "."), "/") + "\n")
	}
	return all.String()
}

func pages(t *testing.T) []string {
	var all []string
	err := fs.WalkDir(os.DirFS("../docs"), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (renew it with -update; -want +got):\n%s", name, diff)
	}
}

func TestConfigurationFiles(t *testing.T) {
	p := built(t)
	const want = "/etc/meter/config.yaml\n"
	if got := lab.Said(t, "dpkg-deb", "-I", p.deb, "conffiles"); got != want {
		t.Errorf("conffiles of the deb: %s", got)
	}
	if got := lab.Said(t, "rpm", "-qpc", p.rpm); got != want {
		t.Errorf("configuration of the rpm: %s", got)
	}
	// 1 is RPMFILE_CONFIG, 16 is RPMFILE_NOREPLACE.
	if got := lab.Said(t, "rpm", "-qp", "--queryformat", `[%{FILEFLAGS} %{FILENAMES}\n]`, p.rpm); !strings.Contains(got, "17 "+want) {
		t.Errorf("an upgrade of the rpm would replace the configuration: %s", got)
	}
}

// TestVersions checks that Debian puts builds in the order in which they were
// made.
func TestVersions(t *testing.T) {
	assigned := regexp.MustCompile(`PACKAGE_VERSION='([^']*)'`)
	previous := "0~"
	for _, c := range []struct{ version, want string }{
		{"development", "0.0.0+development"},
		{"v1.2.0", "1.2.0"},
		{"v1.2.0-3-gabcdef0", "1.2.0+3.gabcdef0"},
		{"v1.2.0-10-gabcdef0-dirty", "1.2.0+10.gabcdef0.dirty"},
		{"v1.3.0-rc.1", "1.3.0-rc.1"},
		{"v1.3.0", "1.3.0"},
	} {
		m := assigned.FindStringSubmatch(lab.Said(t, "make", "-n", "-C", "..", "deb", "VERSION="+c.version))
		if m == nil || m[1] != c.want {
			t.Errorf("%s becomes %q, not %s", c.version, m, c.want)
			continue
		}
		debian := strings.Replace(m[1], "-", "~", 1) // as nfpm writes it
		lab.Said(t, "dpkg", "--compare-versions", previous, "lt", debian)
		previous = debian
	}
}

// root is a root of its own that the deb is installed to by dpkg.
type root string

func (r root) dpkg(t *testing.T, args ...string) string {
	t.Helper()
	return lab.Said(t, "dpkg", append([]string{"--root=" + string(r), "--force-script-chrootless", "--log=/dev/null"}, args...)...)
}

func (r root) path(p string) string { return filepath.Join(string(r), p) }

func newRoot(t *testing.T) root {
	t.Helper()
	r := root(t.TempDir())
	for _, dir := range []string{"/var/lib/dpkg/info", "/var/lib/dpkg/updates", "/etc", "/run", "/var/lib/private/meter/spool"} {
		if err := os.MkdirAll(r.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"/var/lib/dpkg/status", "/etc/passwd", "/etc/group"} {
		if err := os.WriteFile(r.path(file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// mine is a configuration that somebody has changed.
const mine = "# mine\nmeter: {name: mine}\n"

// configure changes the configuration in the root, and returns a check that it
// is still so, under that name or another.
func (r root) configure(t *testing.T) (kept func(when, path string)) {
	t.Helper()
	if err := os.WriteFile(r.path("/etc/meter/config.yaml"), []byte(mine), 0o640); err != nil {
		t.Fatal(err)
	}
	return func(when, path string) {
		t.Helper()
		if got, err := os.ReadFile(r.path(path)); err != nil || string(got) != mine {
			t.Errorf("%s changed the configuration: %s %v", when, got, err)
		}
	}
}

// ready checks what an installation leaves: the user, and a service that waits
// for a configuration.
func (r root) ready(t *testing.T) {
	t.Helper()
	if users, err := os.ReadFile(r.path("/etc/passwd")); err != nil || !regexp.MustCompile(`(?m)^meter:.*:/usr/sbin/nologin$`).Match(users) {
		t.Errorf("there is no user meter: %s %v", users, err)
	}
	if _, err := os.Lstat(r.path("/etc/systemd/system/multi-user.target.wants/meter.service")); err == nil {
		t.Error("the service is enabled, though nobody said what to meter")
	}
}

// removed checks what a removal takes, and what it leaves.
func (r root) removed(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(r.path("/usr/bin/meter")); err == nil {
		t.Error("the removal left the program")
	}
	if _, err := os.Stat(r.path("/var/lib/private/meter/spool")); err != nil {
		t.Error("the removal took the spool")
	}
}

// TestLifeOfTheDeb installs, upgrades, removes and purges it.
func TestLifeOfTheDeb(t *testing.T) {
	lab.NeedRoot(t)
	p, r := built(t), newRoot(t)
	r.dpkg(t, "-i", p.deb)
	r.ready(t)
	kept := r.configure(t)
	r.dpkg(t, "-i", p.deb)
	kept("the upgrade", "/etc/meter/config.yaml")
	r.dpkg(t, "-r", "meter")
	kept("the removal", "/etc/meter/config.yaml")
	r.removed(t)
	r.dpkg(t, "-P", "meter")
	for _, path := range []string{"/etc/meter", "/var/lib/private/meter"} {
		if _, err := os.Stat(r.path(path)); err == nil {
			t.Errorf("the purge left %s", path)
		}
	}
}

// TestLifeOfTheRPM has rpm check the package and what it asks for, installs it
// over the files of this machine, whose changes are kept in memory, has rpm
// compare what is there with what it brought, upgrades to a later version and
// removes it.
func TestLifeOfTheRPM(t *testing.T) {
	lab.NeedRoot(t)
	p, r := built(t), root(overSystem(t, "/"))
	later := filepath.Join(scratch, "later")
	lab.Said(t, "make", "-C", "..", "-o", "build", "rpm", "DIST="+later, "PACKAGE_VERSION=999.0.0")
	rpm := func(args ...string) string {
		t.Helper()
		return lab.Said(t, "rpm", append([]string{"--root=" + string(r), "--dbpath=/var/lib/meter-rpm"}, args...)...)
	}
	if got := lab.Said(t, "rpm", "-K", p.rpm); got != p.rpm+": digests OK\n" {
		t.Errorf("rpm -K says %s", got)
	}
	for need := range strings.Lines(lab.Said(t, "rpm", "-qpR", p.rpm)) {
		if need != "/bin/sh\n" && !strings.HasPrefix(need, "rpmlib(") {
			t.Errorf("the rpm needs %s", need)
		}
	}
	// A meter that this machine has is no part of the test.
	lab.Said(t, "rm", "-rf", r.path("/etc/meter"), r.path("/usr/share/doc/meter"), r.path("/var/lib/private/meter"))
	if err := os.MkdirAll(r.path("/var/lib/private/meter/spool"), 0o700); err != nil {
		t.Fatal(err)
	}
	rpm("-i", "--nodeps", p.rpm) // its database knows nothing of the shell
	r.ready(t)
	if got := rpm("-V", "--nodeps", "meter"); got != "" {
		t.Errorf("what is installed is not what the rpm brought:\n%s", got)
	}
	kept := r.configure(t)
	rpm("-U", "--nodeps", filepath.Join(later, strings.TrimSpace(lab.Said(t, "ls", later))))
	kept("the upgrade", "/etc/meter/config.yaml")
	if got := rpm("-q", "meter"); !strings.HasPrefix(got, "meter-999.0.0-") {
		t.Errorf("after the upgrade there is %s", got)
	}
	rpm("-e", "meter")
	kept("the removal", "/etc/meter/config.yaml.rpmsave")
	r.removed(t)
	if _, err := os.Stat(r.path("/usr/share/doc/meter")); err == nil {
		t.Error("the removal left the manual's folder")
	}
}

// rootVariable names the folder where a test that runs once more need not unpack
// again.
const rootVariable = "METER_TEST_ROOT"

// unpacked is a folder that the deb was unpacked into.
func unpacked(t *testing.T) root {
	t.Helper()
	if path := os.Getenv(rootVariable); path != "" {
		return root(path)
	}
	r := root(filepath.Join(scratch, "unpacked"))
	if _, err := os.Stat(string(r)); err != nil {
		lab.Said(t, "dpkg-deb", "-x", built(t).deb, string(r))
		os.Setenv(rootVariable, string(r))
	}
	return r
}

// TestProgramOfThePackage runs the program from where the deb was unpacked.
func TestProgramOfThePackage(t *testing.T) {
	r := unpacked(t)
	meter := r.path("/usr/bin/meter")
	version := lab.Said(t, "dpkg-deb", "-f", built(t).deb, "Version")
	if got := lab.Said(t, meter, "version"); !strings.HasPrefix(got, "meter ") {
		t.Errorf("meter version says %s", got)
	} else {
		t.Logf("package %s: %s", strings.TrimSpace(version), got)
	}
	if got := lab.Said(t, meter, "check", "-c", r.path("/etc/meter/config.yaml")); !strings.HasSuffix(got, "\nok\n") {
		t.Errorf("the configuration of the package: %s", got)
	}
	// Until it names an input there is nothing to run: a mistake, which systemd
	// does not try again.
	out, err := exec.Command(meter, "run", "-c", r.path("/etc/meter/config.yaml")).CombinedOutput()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 2 || !strings.Contains(string(out), "no inputs") {
		t.Errorf("without inputs: %v %s", err, out)
	}
	if st, err := os.Stat(meter); err != nil || st.Size() > 25<<20 {
		t.Errorf("the program has %d octets, %v", st.Size(), err)
	}
	if got := lab.Said(t, "man", "--warnings", "-l", r.path("/usr/share/man/man1/meter.1.gz")); !strings.Contains(got, "meter read") {
		t.Errorf("the manual page of the package: %s", got)
	}
}
