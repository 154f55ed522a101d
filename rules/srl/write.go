package srl

import (
	"fmt"
	"strings"
)

// printer writes YAML, with its comments where they belong.
type printer struct {
	strings.Builder
	anchors int
}

func (p *printer) line(indent int, format string, args ...any) {
	p.WriteString(strings.TrimRight(strings.Repeat(" ", indent)+fmt.Sprintf(format, args...), " ") + "\n")
}

// comments writes comments, without empty ones around them.
func (p *printer) comments(indent int, texts []string) {
	for len(texts) > 0 && texts[0] == "" {
		texts = texts[1:]
	}
	for len(texts) > 0 && texts[len(texts)-1] == "" {
		texts = texts[:len(texts)-1]
	}
	for _, t := range texts {
		p.line(indent, "# %s", t)
	}
}

// text returns the whole file.
func (o *output) text() []byte {
	p := &printer{}
	p.comments(0, o.head)
	p.lists("networks", o.networks)
	p.lists("sets", o.sets)
	if len(o.subs) > 0 {
		p.line(0, "subroutines:")
	}
	for _, s := range o.subs {
		p.comments(2, s.comments)
		p.line(2, "%s:", s.name)
		p.line(4, "params: [%s]", strings.Join(s.params, ", "))
		p.key(4, "rules", s.list)
	}
	p.line(0, "rulesets:")
	p.line(2, "- name: %s", yamlText(o.name))
	p.line(4, "orient: first")
	p.key(4, "rules", o.rules)
	return []byte(p.String())
}

func (p *printer) lists(key string, all []named) {
	if len(all) > 0 {
		p.line(0, "%s:", key)
	}
	for _, n := range all {
		p.comments(2, n.comments)
		items := make([]string, len(n.items))
		for i, item := range n.items {
			items[i] = yamlText(item)
			if strings.Trim(item, "0123456789") == "" {
				items[i] = item
			}
		}
		p.line(2, "%s: [%s]", n.name, strings.Join(items, ", "))
	}
}

// key writes a key with rules.
func (p *printer) key(indent int, key string, l list) {
	if len(l.rules) == 0 {
		p.line(indent, "%s: []", key)
	} else {
		p.line(indent, "%s:", key)
	}
	p.rules(indent+2, l)
}

func (p *printer) rules(indent int, l list) {
	for _, r := range l.rules {
		p.rule(indent, r)
	}
	p.comments(indent, l.foot)
}

// rule writes one rule; its first key stands behind the dash.
func (p *printer) rule(indent int, r *rule) {
	p.comments(indent, r.comments)
	keys := &printer{anchors: p.anchors}
	keys.keys(indent+2, r)
	p.anchors = keys.anchors
	text := keys.String()
	if text == "" {
		text = strings.Repeat(" ", indent+2) + "do: next\n"
	}
	p.WriteString(strings.Repeat(" ", indent) + "- " + text[indent+2:])
}

func (p *printer) keys(indent int, r *rule) {
	if r.cond != "" {
		p.line(indent, "if: %s", condText(r.cond))
	}
	if r.save != nil {
		save := strings.Join(r.save, ", ")
		if len(r.save) != 1 || save[0] == '{' {
			save = "[" + save + "]"
		}
		p.line(indent, "save: %s", save)
	}
	if len(r.set) > 0 {
		pairs := make([]string, len(r.set))
		for i, s := range r.set {
			pairs[i] = s[0] + ": " + s[1]
		}
		p.line(indent, "set: {%s}", strings.Join(pairs, ", "))
	}
	if r.call != "" {
		p.line(indent, "call: %s", r.call)
	}
	p.answers(indent, r.on)
	if r.block != "" {
		p.line(indent, "block: %s", r.block)
	}
	if r.block != "" || len(r.then.rules) > 0 || len(r.then.foot) > 0 {
		p.key(indent, "then", r.then)
	}
	if r.end != "" {
		p.line(indent, "%s", r.end)
	}
	if len(r.els.rules) > 0 || len(r.els.foot) > 0 {
		p.key(indent, "else", r.els)
	}
}

// answers writes on:. The rules of several numbers stand at the first, and the
// others refer to them.
func (p *printer) answers(indent int, on []onNumber) {
	if len(on) > 0 {
		p.line(indent, "on:")
	}
	for _, n := range on {
		if len(n.numbers) == 1 {
			p.key(indent+2, fmt.Sprint(n.numbers[0]), n.list)
			continue
		}
		p.anchors++
		p.line(indent+2, "%d: &on%d", n.numbers[0], p.anchors)
		anchor := p.anchors
		if len(n.list.rules) == 0 {
			p.line(indent+4, "[]")
		}
		p.rules(indent+4, n.list)
		for _, number := range n.numbers[1:] {
			p.line(indent+2, "%d: *on%d", number, anchor)
		}
	}
}

// condText quotes an expression if YAML would take it for something else where
// a line ends behind it.
func condText(s string) string {
	if s[0] != '!' && s[0] != '"' && !strings.Contains(s, ": ") && !strings.Contains(s, " #") && !strings.HasSuffix(s, ":") {
		return s
	}
	return single(s)
}

// yamlText quotes a text if YAML would take it for something else, also within
// brackets.
func yamlText(s string) string {
	odd := strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(safeRunes, r) }) >= 0
	number := strings.Trim(s, "0123456789.-") == "" && strings.Count(s, ".") < 2
	if s == "" || odd || number {
		return single(s)
	}
	return s
}

func single(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// safeRunes need no quotes.
const safeRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-"
