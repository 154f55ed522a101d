package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"

	"flowmeter/rules"
)

// manual returns the README and every page of docs, by path from here.
func manual(t *testing.T) []string {
	t.Helper()
	pages := []string{"../../README.md", "../../testdata/README.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, found, err)
		}
		pages = append(pages, found...)
	}
	return pages
}

// block is a fenced block of a page.
type block struct {
	path string // of the page, absolute
	line int    // of its first line, from 1
	info string // what stands behind the fence: console, yaml, …
	text string
}

func (b *block) String() string { return fmt.Sprintf("%s:%d", filepath.Base(b.path), b.line) }

// blocks returns the fenced blocks of a page.
func blocks(t *testing.T, page string) []block {
	t.Helper()
	page, err := filepath.Abs(page)
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	open := false
	for i, line := range strings.Split(string(src), "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && !open:
			all = append(all, block{path: page, line: i + 2, info: info})
			open = true
		case fence:
			open = false
		case open:
			all[len(all)-1].text += line + "\n"
		}
	}
	if open {
		t.Errorf("%s: a fenced block is never closed", page)
	}
	return all
}

// TestDocsExamples does what the examples of each page say, in their order
// and in a folder of their own: YAML that begins with "# NAME.yaml" is written
// there, commands in console blocks are run and their output compared.
//
// In an example's output … stands for any text within a line, and on a line
// of its own for any lines.
func TestDocsExamples(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range manual(t) {
		all := blocks(t, page)
		name, _ := strings.CutPrefix(page, "../../")
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for _, shared := range []string{"testdata", "docs", "config.example.yaml"} {
				if err := os.Symlink(filepath.Join(root, shared), shared); err != nil {
					t.Fatal(err)
				}
			}
			for i := range all {
				all[i].try(t)
			}
		})
	}
}

func (b *block) try(t *testing.T) {
	switch b.info {
	case "console":
		b.runConsole(t)
	case "sh":
		b.parseCommands(t)
	case "yaml":
		b.checkYAML(t)
	case "filter":
		b.parseFilters(t)
	case "", "mermaid", "yaml prometheus", "yaml web":
	default:
		t.Errorf("%v: no test knows blocks of %q", b, b.info)
	}
}

// checkYAML checks a configuration, or a bare list of rules.
func (b *block) checkYAML(t *testing.T) {
	file := "example.yaml"
	if first, _, _ := strings.Cut(b.text, "\n"); namedFile.MatchString(first) {
		file = namedFile.FindStringSubmatch(first)[1]
	}
	if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(b.text), &doc); err != nil {
		t.Fatalf("%v: %v", b, err)
	}
	flag := "--config"
	if doc.Content[0].Kind == yaml.SequenceNode {
		flag = "--rules"
	}
	if status, _, stderr := meterRun(t, "check", flag, file); status != exitOK || stderr != "" {
		if !strings.Contains(b.text, "# mistakes") {
			t.Errorf("%v: status %d: %s", b, status, stderr)
		}
	}
}

var namedFile = regexp.MustCompile(`^# ([a-z0-9-]+\.yaml)`)

// parseFilters parses each line as an expression; a remark may follow #.
func (b *block) parseFilters(t *testing.T) {
	for line := range strings.Lines(b.text) {
		expr, _, _ := strings.Cut(line, " #")
		if _, err := rules.ParseFilter("line", strings.TrimSpace(expr), rules.DefaultNetworks(), nil); err != nil {
			t.Errorf("%v: %v", b, err)
		}
	}
}

// parseCommands parses the command lines of a block without running them.
func (b *block) parseCommands(t *testing.T) {
	for line := range strings.Lines(b.text) {
		words := words(strings.TrimSpace(line))
		if len(words) == 0 || words[0] != "meter" {
			continue
		}
		if i := slices.IndexFunc(words, func(w string) bool { return w == "|" || w == ">" || w == "&" || w == "#" }); i >= 0 {
			words = words[:i]
		}
		parser, err := kong.New(&cli{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(words[1:]); err != nil {
			t.Errorf("%v: %s: %v", b, strings.TrimSpace(line), err)
		}
	}
}

// words splits a command line; single quotes keep words together.
func words(line string) []string {
	var out []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			out = append(out, part)
			continue
		}
		out = append(out, strings.Fields(part)...)
	}
	return out
}

// runConsole runs each command of a block and compares what it prints.
func (b *block) runConsole(t *testing.T) {
	status := 0
	for _, part := range strings.Split("\n"+b.text, "\n$ ")[1:] {
		command, want, _ := strings.Cut(part, "\n")
		var got string
		if command == "echo $?" {
			got = strconv.Itoa(status) + "\n"
		} else {
			status, got = b.runCommand(t, command)
		}
		got = trimLines(got)
		switch {
		case matches(trimLines(want), got):
		case *update && command != "echo $?" && !strings.Contains(want, "…"):
			b.renew(t, command, want, got)
		default:
			t.Errorf("%v: $ %s\n--- prints\n%s--- the page says\n%s", b, command, got, want)
		}
	}
}

// renew puts a command's output into the page, in place of what it said.
func (b *block) renew(t *testing.T, command, was, is string) {
	src, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	if was != "" && !strings.HasSuffix(was, "\n") { // another command follows
		is = strings.TrimSuffix(is, "\n")
	}
	page := strings.Replace(string(src), "$ "+command+"\n"+was, "$ "+command+"\n"+is, 1)
	if err := os.WriteFile(b.path, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
}

// runCommand runs a command of ours, and head behind a pipe.
func (b *block) runCommand(t *testing.T, line string) (status int, output string) {
	line, pipe, piped := strings.Cut(line, " | ")
	args := words(strings.Replace(line, "go run ./cmd/meter", "meter", 1))
	if args[0] != "meter" {
		t.Fatalf("%v: the test does not know the command %s", b, args[0])
	}
	out := &terminal{}
	status = run(args[1:], strings.NewReader(""), out, out)
	if !piped {
		return status, out.String()
	}
	n, err := strconv.Atoi(strings.TrimPrefix(pipe, "head -"))
	if err != nil {
		t.Fatalf("%v: the test does not know the command %s", b, pipe)
	}
	lines := strings.SplitAfter(out.String(), "\n")
	return 0, strings.Join(lines[:min(n, len(lines))], "")
}

// terminal shows both outputs of a program as they come.
type terminal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *terminal) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *terminal) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// trimLines takes the spaces off the ends of lines, and empty lines off the
// end.
func trimLines(s string) string {
	var out strings.Builder
	for line := range strings.Lines(s) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

// matches tells whether text is what a page says, where … is anything.
func matches(want, text string) bool {
	var pattern strings.Builder
	pattern.WriteString("^")
	for line := range strings.Lines(want) {
		if line == "…\n" {
			pattern.WriteString("(?s:.*\n)?")
			continue
		}
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*"))
	}
	return regexp.MustCompile(pattern.String() + "$").MatchString(text)
}

var (
	link    = regexp.MustCompile(`\]\(([^)#]*)(#[^)]*)?\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noSlug  = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// TestDocsLinks follows every link of the manual that stays in the project,
// down to the heading.
func TestDocsLinks(t *testing.T) {
	for _, page := range manual(t) {
		src, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(src), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			to := page
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(page), m[1])
			}
			if text, err := os.ReadFile(to); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if m[2] != "" && !slices.Contains(anchors(string(text)), m[2][1:]) {
				t.Errorf("%s: %s has no heading %s", page, to, m[2])
			}
		}
	}
}

// anchors returns what links to the headings of a page are called.
func anchors(page string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		all = append(all, strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}

// TestRecipes checks that every recipe is a file of rules that nothing is to
// be said of, and that over a real trace it makes flows and the balance closes.
func TestRecipes(t *testing.T) {
	files, err := filepath.Glob("../../docs/recipes/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if status, _, stderr := meterRun(t, "check", "--rules", file); status != exitOK || stderr != "" {
				t.Errorf("check: status %d: %s", status, stderr)
			}
			status, stdout, stderr := meterRun(t, "read", "-q", "--rules", file, "-o", "-", traces+"office.pcapng", traces+"sip.pcap", traces+"vlan.pcap")
			if status != exitOK || stderr != "" || strings.Count(stdout, "\n") < 2 {
				t.Errorf("read: status %d, %d records: %s", status, strings.Count(stdout, "\n"), stderr)
			}
		})
	}
}
