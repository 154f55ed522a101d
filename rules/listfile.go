package rules

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"flowmeter/meter/conf"
)

// maxListFile bounds what is read of one file of values, in octets.
const maxListFile = 1 << 28

// eachItem calls one for each value of a list of networks: or sets:, which is
// a single value, a list, or {file: PATH}, also as an item of a list.
func eachItem(v conf.Value, one func(conf.Value)) {
	item := func(v conf.Value) {
		if v.Kind == mappingNode {
			v.Map(conf.Fields{"file": func(v conf.Value) { eachLine(v, one) }})
			return
		}
		one(v)
	}
	if v.Kind == mappingNode || v.Kind == scalarNode && !v.IsNull() {
		item(v)
		return
	}
	v.Each(item)
}

// eachLine calls one for each value of a file, one a line. What begins with #,
// at the start of a line or behind a space, is a comment. A relative path
// begins where the file stands that names it. Values are void after the call.
func eachLine(v conf.Value, one func(conf.Value)) {
	path := v.Str()
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(v.C.File), path)
	}
	c := &conf.Collector{File: path}
	if err := scanLines(path, c, one); err != nil {
		v.Errorf("a file of values, one a line", "%v", err)
	}
	v.C.Errors, v.C.Warnings = append(v.C.Errors, c.Errors...), append(v.C.Warnings, c.Warnings...)
}

func scanLines(path string, c *conf.Collector, one func(conf.Value)) error {
	f, err := openList(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxListFile))
	lines.Buffer(nil, maxExprLen)
	node := yaml.Node{Kind: scalarNode, Tag: "!!str"}
	for node.Line = 1; lines.Scan(); node.Line++ {
		text := lines.Text()
		node.Value = strings.TrimSpace(withoutComment(text))
		if node.Value == "" {
			continue
		}
		node.Column = strings.Index(text, node.Value) + 1
		if one(conf.Value{Node: &node, C: c}); len(c.Errors)+len(c.Warnings) > maxErrors {
			return nil
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("%s:%d: the line is longer than %d octets", path, node.Line, maxExprLen)
	}
	return lines.Err()
}

// openList opens a file that has an end.
func openList(path string) (*os.File, error) {
	switch info, err := os.Stat(path); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", path)
	case info.Size() > maxListFile:
		return nil, fmt.Errorf("%s is larger than %d MiB", path, maxListFile>>20)
	}
	return os.Open(path)
}

func withoutComment(line string) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}
