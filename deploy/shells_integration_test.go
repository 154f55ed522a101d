//go:build integration

package deploy

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowmeter/meter/lab"
)

// TestManualPage has two formatters look for mistakes in the page.
func TestManualPage(t *testing.T) {
	if out := lab.Said(t, "mandoc", "-Tlint", "-Wall", "man/meter.1"); out != "" {
		t.Errorf("mandoc: %s", out)
	}
	cmd := exec.Command(lab.Tool(t, "man"), "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", "man/meter.1")
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Run(); err != nil || errs.String() != "" {
		t.Errorf("man: %v %s", err, errs.String())
	}
}

// TestSyntaxOfCompletions has each shell read its file.
func TestSyntaxOfCompletions(t *testing.T) {
	for _, args := range [][]string{
		{"bash", "-n", "completions/meter.bash"},
		{"zsh", "-n", "completions/_meter"},
		{"fish", "--no-execute", "completions/meter.fish"},
	} {
		if out := lab.Said(t, args[0], args[1:]...); out != "" {
			t.Errorf("%s: %s", args[0], out)
		}
	}
}

// completed are command lines up to the cursor, and what some words of the
// answer are to be; what stands after "not" must not be among them.
var completed = []struct {
	line string
	want []string
	not  []string
}{
	{"meter ", []string{"read", "run", "check", "collect", "version"}, []string{"--config"}},
	{"meter re", []string{"read"}, []string{"run"}},
	{"meter read --or", []string{"--orient"}, []string{"--output"}},
	{"meter read --orient ", []string{"initiator", "perimeter", "first"}, []string{"package", "package/"}},
	{"meter read --orient p", []string{"perimeter"}, []string{"first"}},
	{"meter run --config pack", []string{"package/"}, []string{"systemd/"}},
	{"meter run -c pack", []string{"package/"}, []string{"systemd/"}},
	{"meter read --biflow ", []string{"pair", "split"}, nil},
	{"meter check --m", []string{"--max-flows"}, []string{"--merge"}},
	{"meter read graf", []string{"grafana/"}, []string{"package/"}},
}

// TestBashCompletes asks bash, as if a user had pressed the tabulator.
func TestBashCompletes(t *testing.T) {
	const script = `
compopt() { :; } # what it sets is for an interactive shell alone
source completions/meter.bash
read -ra COMP_WORDS <<<"$1"
[[ $1 != *" " ]] || COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
$(complete -p meter | sed 's/.*-F \([^ ]*\).*/\1/')
for word in "${COMPREPLY[@]}"; do
	[[ -d $word ]] && word+=/
	echo "$word"
done`
	for _, c := range completed {
		got := strings.Fields(lab.Said(t, "bash", "-c", script, "bash", c.line))
		compare(t, "bash", c.line, got, c.want, c.not)
	}
	// bash takes --flag=value for three words.
	got := strings.Fields(lab.Said(t, "bash", "-c", `compopt() { :; }; source completions/meter.bash
		COMP_WORDS=(meter read --orient = p); COMP_CWORD=4; _meter; echo "${COMPREPLY[@]}"`))
	if diff := cmp.Diff([]string{"perimeter"}, got); diff != "" {
		t.Errorf("bash, --orient=p (-want +got):\n%s", diff)
	}
}

// TestFishCompletes asks fish.
func TestFishCompletes(t *testing.T) {
	for _, c := range completed {
		var got []string
		for line := range strings.Lines(lab.Said(t, "fish", "--no-config", "-c", "source completions/meter.fish; complete -C '"+c.line+"'")) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, word)
		}
		compare(t, "fish", c.line, got, c.want, c.not)
	}
}

// TestZshCompletes asks zsh, in a terminal of its own.
func TestZshCompletes(t *testing.T) {
	const script = `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PS1=; fpath=(completions $fpath); autoload -U compinit; compinit -u -D; compdef _meter meter; bindkey "^I" complete-word; zstyle ":completion:*" list-prompt ""; unsetopt zle_bracketed_paste; print READY'
while zpty -r z line && [[ $line != READY* ]]; do :; done
zpty -n -w z "$1"$'\t'
zpty -n -w z $'\x01print -r -- \x27DONE<\x05>\x27\n'
while zpty -r z line; do
	[[ $line == *DONE\<*\>* && $line != *print* ]] && print -r -- "${line#*DONE<}" && break
done`
	for line, want := range map[string]string{
		"meter ver":                "meter version>",
		"meter read --orient peri": "meter read --orient perimeter>",
		"meter check --max-f":      "meter check --max-flows>",
	} {
		got := strings.TrimSpace(lab.Said(t, "zsh", "-f", "-c", script, "zsh", line))
		if got != want {
			t.Errorf("zsh, %q: %q, not %q", line, got, want)
		}
	}
}

func compare(t *testing.T, shell, line string, got, want, not []string) {
	t.Helper()
	for _, word := range want {
		if !slices.Contains(got, word) {
			t.Errorf("%s, %q: %s is missing in %v", shell, line, word, got)
		}
	}
	for _, word := range not {
		if slices.Contains(got, word) {
			t.Errorf("%s, %q: %s is among %v", shell, line, word, got)
		}
	}
}
