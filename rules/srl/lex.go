package srl

import (
	"net/netip"
	"slices"
	"strings"
	"unicode"
)

// pos is a place in the program: line and column from 1.
type pos struct{ line, col int }

type kind uint8

const (
	tokEnd    kind = iota
	tokIdent       // identifier or keyword, in lower case
	tokInt         // decimal integer
	tokValue       // fields of a value: 130.216, FF-FF, 1.3.10!50, or an IPv6 address
	tokChar        // 'W'
	tokText        // "…", in FORMAT
	tokSymbol      // ( ) { } , ; : := == && || / & =
	tokBad
)

// A token is one word of the program, with the define that it came from.
type token struct {
	kind kind
	pos  pos // where it is used: of a define's text, where the define's name stands
	text string
	// spelt is text as it was written.
	spelt string
	// begins are the defines whose text begins here, the outermost first.
	begins []*expansion
}

// An expansion is one place where the text of a define stands for its name.
type expansion struct {
	def *define
	end int // number of the token behind it
}

// A define is a name for a text (RFC 2723 §2.1).
type define struct {
	name     string // in lower case
	pos      pos
	comments []string
	tokens   []token
	busy     bool // its text is being expanded
}

// A comment is what stands behind # in a line.
type comment struct {
	pos  pos
	text string
}

// scanner cuts a program into tokens and comments.
type scanner struct {
	last     int // line of the last word
	kept     int // comments before it
	src      string
	off      int
	line     int
	begin    int // offset of the line
	comments []comment
	errs     *mistakes
}

func (s *scanner) pos() pos { return pos{s.line, s.off - s.begin + 1} }

// space skips white space and keeps comments.
func (s *scanner) space() {
	for s.off < len(s.src) {
		switch c := s.src[s.off]; {
		case c == '\n':
			s.off++
			s.line, s.begin = s.line+1, s.off
		case strings.IndexByte(" \t\r\f\v", c) >= 0:
			s.off++
		case c == '#':
			s.comment()
		default:
			return
		}
	}
}

func (s *scanner) comment() {
	text, _, _ := strings.Cut(s.src[s.off:], "\n")
	s.comments = append(s.comments, comment{s.pos(), strings.TrimSpace(clean(text[1:]))})
	s.off += len(text)
}

// clean replaces what YAML does not allow by spaces.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return ' '
	}, text)
}

var symbols = []string{":=", "==", "&&", "||", "(", ")", "{", "}", ",", ";", ":", "/", "&", "="}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// next reads one token.
func (s *scanner) next() token {
	s.space()
	t := token{pos: s.pos()}
	rest := s.src[s.off:]
	if rest == "" {
		return t
	}
	if text := addressIn(rest); text != "" {
		return s.take(t, tokValue, text)
	}
	if n := wordLength(rest); n > 0 {
		t = s.take(t, wordKind(rest[:n]), rest[:n])
		if t.kind == tokBad {
			s.errs.add(t.pos, "names begin with a letter", "%s is neither a number nor a name", t.text)
		}
		return t
	}
	if end := strings.IndexAny(rest[1:], "\"\n"); rest[0] == '"' && end >= 0 && rest[1+end] == '"' {
		return s.take(t, tokText, rest[:end+2])
	}
	if rest[0] == '\'' && len(rest) > 2 && rest[2] == '\'' {
		t = s.take(t, tokChar, rest[:3])
		t.text = rest[1:2]
		return t
	}
	for _, sym := range symbols {
		if strings.HasPrefix(rest, sym) {
			return s.take(t, tokSymbol, sym)
		}
	}
	s.errs.add(t.pos, charHint(rest), "unexpected character %q", []rune(rest)[0])
	return s.take(t, tokBad, rest[:1])
}

func charHint(rest string) string {
	switch rest[0] {
	case '\'':
		return "a character constant is one character: 'W'"
	case '|':
		return "write ||"
	case '!', '<', '>':
		return "SRL compares with == alone"
	}
	return ""
}

func (s *scanner) take(t token, k kind, text string) token {
	s.off += len(text)
	t.kind, t.text, t.spelt = k, text, text
	if k == tokIdent {
		t.text = strings.ToLower(text)
	}
	return t
}

// wordLength returns how long the word or value at the start of a text is.
// The characters . - and ! join the fields of a value.
func wordLength(s string) int {
	if !isWord(s[0]) {
		return 0
	}
	n := 0
	for n < len(s) && (isWord(s[n]) || strings.IndexByte(".-!", s[n]) >= 0) {
		n++
	}
	return n
}

func wordKind(word string) kind {
	switch {
	case strings.ContainsAny(word, ".-!"):
		return tokValue
	case strings.Trim(word, "0123456789") == "":
		return tokInt
	case word[0] >= '0' && word[0] <= '9' || word[0] == '_':
		return tokBad
	}
	return tokIdent
}

// addressIn returns the IPv6 address that a text begins with, or "". Labels
// have colons too, but never two without a digit or another colon behind each.
func addressIn(s string) string {
	n := 0
	for n < len(s) && (strings.IndexByte("0123456789abcdefABCDEF:.", s[n]) >= 0) {
		n++
	}
	if strings.Count(s[:n], ":") < 2 || n < len(s) && isWord(s[n]) {
		return ""
	}
	if a, err := netip.ParseAddr(s[:n]); err != nil || !a.Is6() {
		return ""
	}
	return s[:n]
}

// head takes the comments before the first word.
func (s *scanner) head() (texts []string) {
	s.space()
	for _, c := range s.comments {
		texts = append(texts, c.text)
	}
	s.comments = nil
	return texts
}

// tokens reads the whole program: defines are taken out, and their names
// replaced by their texts.
func (s *scanner) tokens() ([]token, []*define) {
	x := &expander{names: map[string]*define{}, errs: s.errs}
	var raw []token
	for {
		t := s.next()
		if t.kind == tokIdent && t.text == "define" {
			s.define(x, t)
			continue
		}
		raw = append(raw, t)
		s.last, s.kept = t.pos.line, len(s.comments)
		if t.kind == tokEnd {
			break
		}
	}
	for _, t := range raw {
		x.token(t, t.pos)
	}
	return x.out, x.defines
}

// define reads DEFINE name = text ; where \; is a semicolon within the text.
func (s *scanner) define(x *expander, at token) {
	name := s.next()
	spelt := name.spelt
	known := true
	switch {
	case name.kind != tokIdent:
		s.errs.add(name.pos, "write define name = text;", "a define needs a name")
		return
	case keywords[name.text] || attributes[name.text] != nil:
		s.errs.add(name.pos, "give it another name", "%s is a word of the language", spelt)
		known = false
	case x.names[name.text] != nil:
		s.errs.add(name.pos, "remove one of the two", "%s is defined twice", spelt)
	}
	d := &define{name: name.text, pos: at.pos, comments: s.own(at.pos)}
	if t := s.next(); t.text != "=" {
		s.errs.add(t.pos, "write define "+spelt+" = text;", "a define needs = behind its name")
	}
	for {
		s.space()
		if strings.HasPrefix(s.src[s.off:], `\;`) {
			d.tokens = append(d.tokens, token{kind: tokSymbol, pos: s.pos(), text: ";"})
			s.off += 2
			continue
		}
		t := s.next()
		if t.kind == tokEnd {
			s.errs.add(at.pos, "", "this define is never closed by ;")
			break
		}
		if t.text == ";" && t.kind == tokSymbol {
			break
		}
		d.tokens = append(d.tokens, t)
	}
	if known {
		x.names[name.text] = d
		x.defines = append(x.defines, d)
	}
	begin := len(s.comments)
	for s.off < len(s.src) && (s.src[s.off] == ' ' || s.src[s.off] == '\t') {
		s.off++
	}
	if s.off < len(s.src) && s.src[s.off] == '#' {
		s.comment()
	}
	for _, c := range s.comments[begin:] {
		d.comments = append(d.comments, c.text)
	}
	s.comments = s.comments[:begin]
}

// own takes the comments that stand between the last word and a define, but
// for those in the line of that word.
func (s *scanner) own(at pos) (texts []string) {
	for s.kept < len(s.comments) && s.comments[s.kept].pos.line == s.last {
		s.kept++
	}
	n := s.kept
	for ; n < len(s.comments) && before(s.comments[n].pos, at); n++ {
		texts = append(texts, s.comments[n].text)
	}
	s.comments = slices.Delete(s.comments, s.kept, n)
	return texts
}

// maxSteps bounds what defines of defines can grow to.
const maxSteps = 1 << 20

type expander struct {
	names   map[string]*define
	defines []*define
	out     []token
	steps   int
	errs    *mistakes
}

// token puts a token out, or the text that it stands for. All of that text has
// the place where the outermost name stands.
func (x *expander) token(t token, at pos) {
	d := x.names[t.text]
	if t.kind != tokIdent || d == nil {
		t.pos = at
		x.out = append(x.out, t)
		return
	}
	switch {
	case d.busy:
		x.errs.add(d.pos, "", "%s is defined by itself", d.name)
		return
	case x.steps > maxSteps:
		x.errs.once(at, "", "the defines make more than %d words", maxSteps)
		return
	}
	x.steps += 1 + len(d.tokens)
	d.busy = true
	begin := len(x.out)
	for _, in := range d.tokens {
		x.token(in, at)
	}
	d.busy = false
	if len(x.out) > begin {
		first := &x.out[begin]
		first.begins = slices.Insert(first.begins, 0, &expansion{d, len(x.out)})
	}
}
