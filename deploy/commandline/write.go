package commandline

import (
	"embed"
	"strings"
	"text/template"
)

//go:embed templates
var templates embed.FS

// Files are the names of what Write writes, with the path that each has in a
// package.
func Files() map[string]string {
	return map[string]string{
		"man/meter.1":            "man.tmpl",
		"completions/meter.bash": "bash.tmpl",
		"completions/_meter":     "zsh.tmpl",
		"completions/meter.fish": "fish.tmpl",
	}
}

// Write returns the text of one of Files.
func (m *Model) Write(file string) (string, error) {
	t, err := template.New("").Funcs(functions()).ParseFS(templates, "templates/*")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.ExecuteTemplate(&b, Files()[file], m)
	return b.String(), err
}

func functions() template.FuncMap {
	return template.FuncMap{
		"join":  strings.Join,
		"roff":  roff,
		"prose": prose,
		"fill":  sentences,
		"zsh":   zshText,
		"quote": shellQuote,
	}
}

// roff escapes text for a line of a manual page.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `"`, `\(dq`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

// prose turns what --help shows below the usage into mdoc: paragraphs, and
// examples where a paragraph is indented.
func prose(s string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(strings.TrimSpace(s), "\n\n") {
		if strings.HasPrefix(part, " ") {
			b.WriteString(".Bd -literal -offset indent\n")
			for line := range strings.Lines(part) {
				b.WriteString(roff(strings.TrimSpace(line)) + "\n")
			}
			b.WriteString(".Ed\n")
			continue
		}
		b.WriteString(".Pp\n" + sentences(strings.ReplaceAll(part, "\n", " ")) + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// sentences begins each sentence on a line of its own, as manual pages do, and
// breaks lines at 80 octets.
func sentences(s string) string {
	var b strings.Builder
	for i, sentence := range strings.Split(s, ". ") {
		if i > 0 {
			b.WriteString(".\n")
		}
		b.WriteString(wrap(sentence, 76))
	}
	return b.String()
}

// wrap breaks a sentence into lines of about so many octets.
func wrap(s string, width int) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(s) {
		word = roff(word)
		switch {
		case i > 0 && column+1+len(word) > width:
			b.WriteByte('\n')
			column = 0
		case i > 0:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

// zshText escapes text for a description within an argument of _arguments,
// which stands in single quotes.
func zshText(s string) string {
	return strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `:`, `\:`, `'`, `'\''`).Replace(s)
}

// shellQuote quotes a word for a shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
