package rules

import (
	"fmt"
	"strings"
	"unicode"
)

// A mistake is an error within an expression.
type mistake struct {
	pos       int // octet of the expression's text
	msg, hint string
}

func mistakef(pos int, hint, format string, args ...any) *mistake {
	return &mistake{pos, fmt.Sprintf(format, args...), hint}
}

type tokenKind uint8

const (
	tokEnd    tokenKind = iota
	tokWord             // a field, a number, an address, a word operator
	tokString           // a text in quotes; text is without them
	tokList             // $name; text is the name
	tokSymbol           // an operator or a bracket; text in its one spelling
	tokSlice            // [a:b]; text is what the brackets hold
)

type token struct {
	kind tokenKind
	pos  int
	text string
}

// symbols are tried in this order: the longer before its own beginning.
var symbols = []string{"===", "!==", "~=", "..", "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "&", "~", "(", ")", "{", "}", ","}

// wordSymbols are the word spellings of symbols.
var wordSymbols = map[string]string{
	"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
	"and": "&&", "or": "||", "not": "!", "in": "in", "contains": "contains", "matches": "~",
	"any_eq": "==", "all_eq": "===", "any_ne": "!==", "all_ne": "!=", "bitwise_and": "&",
}

// refused are what display filters have and this language does not.
var refused = map[string]string{
	"=": "write ==", "|": "write || for or", "^": exclusive, "^^": exclusive, "xor": exclusive, "bitand": "write &",
	"+": arithmetic, "-": arithmetic, "*": arithmetic, "%": arithmetic,
	"#": "of several headers of one kind the outermost is meant",
	"@": "compare the field's own value",
}

const (
	exclusive  = "write (a || b) && !(a && b)"
	arithmetic = "there is no arithmetic but &, and no value is negative"
)

// lex cuts an expression into tokens; the last is always tokEnd.
func lex(text string) ([]token, *mistake) {
	var tokens []token
	for pos := 0; ; {
		for pos < len(text) && strings.IndexByte(" \t\r\n", text[pos]) >= 0 {
			pos++
		}
		if pos == len(text) {
			return append(tokens, token{tokEnd, pos, ""}), nil
		}
		t, size, m := lexOne(text, pos)
		if m != nil {
			return nil, m
		}
		tokens = append(tokens, t)
		pos += size
	}
}

// lexOne reads the token at pos and returns its length in the text.
func lexOne(text string, pos int) (token, int, *mistake) {
	rest := text[pos:]
	switch {
	case rest[0] == '"' || rest[0] == '\'':
		end := strings.IndexByte(rest[1:], rest[0])
		if end < 0 {
			return token{}, 0, mistakef(pos, "", "this text is never closed by %c", rest[0])
		}
		return token{tokString, pos, rest[1 : 1+end]}, end + 2, nil
	case rest[0] == '$':
		name := prefixOf(rest[1:], isNameRune)
		if name == "" {
			return token{}, 0, mistakef(pos, "write $ and the name of a list: $home", "$ without a name")
		}
		return token{tokList, pos, name}, 1 + len(name), nil
	case rest[0] == '[':
		end := strings.IndexByte(rest, ']')
		if end < 0 {
			return token{}, 0, mistakef(pos, "", "this [ is never closed")
		}
		return token{tokSlice, pos, rest[1:end]}, end + 1, nil
	}
	if op := symbolRun(rest); refused[op] != "" {
		return token{}, 0, mistakef(pos, refused[op], "there is no operator %s", op)
	}
	for _, s := range symbols {
		if strings.HasPrefix(rest, s) {
			return token{tokSymbol, pos, oneSpelling(s)}, len(s), nil
		}
	}
	if word := lexWord(rest); word != "" {
		return wordToken(word, pos)
	}
	return token{}, 0, mistakef(pos, "", "unexpected character %q", []rune(rest)[0])
}

// oneSpelling returns the symbol that stands for s.
func oneSpelling(s string) string {
	if s == "~=" {
		return "!=="
	}
	return s
}

func wordToken(word string, pos int) (token, int, *mistake) {
	if s := wordSymbols[word]; s != "" {
		return token{tokSymbol, pos, s}, len(word), nil
	}
	if hint := refused[word]; hint != "" {
		return token{}, 0, mistakef(pos, hint, "there is no operator %s", word)
	}
	return token{tokWord, pos, word}, len(word), nil
}

// lexWord returns the word that s begins with. A word ends at "..", so that
// 8000..8100 is a range.
func lexWord(s string) string {
	word := prefixOf(s, isWordRune)
	if i := strings.Index(word, ".."); i >= 0 {
		word = word[:i]
	}
	if strings.HasPrefix(word, "-") || strings.HasPrefix(word, "/") {
		return ""
	}
	return word
}

// symbolRun returns the run of operator characters that s begins with.
func symbolRun(s string) string {
	return prefixOf(s, func(r rune) bool { return strings.ContainsRune("=!<>&|~^+-*%#@", r) })
}

func prefixOf(s string, in func(rune) bool) string {
	if i := strings.IndexFunc(s, func(r rune) bool { return !in(r) }); i >= 0 {
		return s[:i]
	}
	return s
}

func isNameRune(r rune) bool {
	return r == '_' || r == '-' || r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

func isWordRune(r rune) bool { return isNameRune(r) || r == '.' || r == ':' || r == '/' }
