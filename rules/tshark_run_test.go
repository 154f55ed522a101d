//go:build integration

package rules

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// listeners is a script for tshark: a listener for each expression, so that all
// of them are asked in one run. A line of the answer is the expression's number,
// then the frames that it matches, or what is wrong with it.
const listeners = `
local found = {}
for i, e in ipairs(exprs) do
  local ok, l = pcall(Listener.new, "frame", e)
  if ok then
    local t = {}
    found[i] = t
    function l.packet(pinfo) t[#t + 1] = pinfo.number end
  else
    io.write(i, " error ", (tostring(l):gsub("[\r\n]", " ")), "\n")
  end
end
local last = Listener.new("frame")
function last.draw()
  for i, t in pairs(found) do io.write(i, " is ", table.concat(t, " "), "\n") end
end
`

// tsharkOptions keep each packet by itself.
var tsharkOptions = []string{"-n", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE",
	"-o", "tcp.desegment_tcp_streams:FALSE", "-o", "tcp.check_checksum:FALSE"}

func runTshark(t testing.TB, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("tshark", append(args, tsharkOptions...)...)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, complaints.String())
	}
	return out
}

// display asks tshark for the frames, by number from 0, that each expression
// matches. An expression that it refuses has its complaint in refused.
func display(t testing.TB, trace string, exprs []string) (matches [][]bool, refused map[int]string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "listeners.lua")
	var lua strings.Builder
	lua.WriteString("local exprs = {}\n")
	for i, e := range exprs {
		fmt.Fprintf(&lua, "exprs[%d] = [==[%s]==]\n", i+1, e)
	}
	lua.WriteString(listeners)
	if err := os.WriteFile(script, []byte(lua.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out := runTshark(t, "-q", "-r", trace, "-X", "lua_script:"+script)
	matches, refused = make([][]bool, len(exprs)), map[int]string{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<28)
	for lines.Scan() {
		var n int
		var what string
		if _, err := fmt.Sscan(lines.Text(), &n, &what); err != nil || what != "is" && what != "error" {
			continue // what loading a script prints
		}
		_, rest, _ := strings.Cut(lines.Text(), " "+what+" ")
		if what == "error" {
			refused[n-1] = rest
			continue
		}
		set := []bool{}
		for _, number := range strings.Fields(rest) {
			var frame int
			fmt.Sscan(number, &frame)
			for len(set) < frame {
				set = append(set, false)
			}
			set[frame-1] = true
		}
		matches[n-1] = set
	}
	return matches, refused
}

// displayFields returns the names of all fields and protocols that tshark has.
func displayFields(t testing.TB) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for line := range strings.Lines(string(runTshark(t, "-G", "fields"))) {
		if column := strings.Split(strings.TrimSpace(line), "\t"); len(column) > 2 {
			names[column[2]] = true
		}
	}
	return names
}

// stacks asks for what tshark finds in each frame.
func stacks(t testing.TB, trace string, frames []*traceFrame) {
	t.Helper()
	out := string(runTshark(t, "-r", trace, "-T", "fields", "-e", "frame.protocols", "-e", "tcp.flags.ace"))
	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	if len(lines) != len(frames) {
		t.Fatalf("tshark reads %d frames of %d", len(lines), len(frames))
	}
	for i, f := range frames {
		stack, ace, _ := strings.Cut(lines[i], "\t")
		f.stack, f.ace = ":"+stack+":", ace != ""
	}
}
