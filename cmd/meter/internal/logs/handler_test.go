package logs

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"flowmeter/meter/conf"
)

// TestFormats writes a line of each level in each format.
func TestFormats(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want []string
	}{
		{Config{Format: Text, Level: slog.LevelDebug}, []string{
			`level=DEBUG msg=d`, `level=INFO msg=i a=1`, `level=WARN msg=w g.level=x`, `level=ERROR msg=e error="two\nlines"`}},
		{Config{Format: Journal, Level: slog.LevelDebug}, []string{
			`<7>msg=d`, `<6>msg=i a=1`, `<4>msg=w g.level=x`, `<3>msg=e error="two\nlines"`}},
		{Config{Format: Journal, Level: slog.LevelWarn}, []string{
			`<4>msg=w g.level=x`, `<3>msg=e error="two\nlines"`}},
		{Config{Format: Auto, Level: slog.LevelError}, []string{`level=ERROR msg=e error="two\nlines"`}},
	} {
		b, log, _ := open(c.cfg)
		log.Debug("d")
		log.With("a", 1).Info("i")
		log.WithGroup("g").Warn("w", "level", "x")
		log.Error("e", "error", errors.New("two\nlines"))
		expect(t, b, c.want...)
	}
}

func TestJSON(t *testing.T) {
	b, log, _ := open(Config{Format: JSON})
	log.Error("export failed", "exporter", "ipfix", "error", "it\nbroke")
	var got map[string]any
	if err := json.Unmarshal([]byte(b.take()), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "time")
	if want := map[string]any{"level": "ERROR", "msg": "export failed", "exporter": "ipfix", "error": "it\nbroke"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestParse(t *testing.T) {
	for src, want := range map[string]string{
		"log:":                              "0 INFO",
		"log: {format: text}":               "1 INFO",
		"log: {format: json, level: error}": "2 ERROR",
		"log: {format: journal}":            "3 INFO",
		"log: {level: debug}":               "0 DEBUG",
		"log: {level: warn, format: auto}":  "0 WARN",
		"log: {level: loud}":                "error: one of: debug, info, warn, error",
		"log: {format: xml}":                "error: one of: auto, text, json, journal",
		"log: {fromat: json}":               "error: did you mean format?",
	} {
		v, c := conf.Parse("f", []byte(src))
		var got Config
		v.Map(conf.Fields{"log": func(v conf.Value) { got = Parse(v) }})
		if message, failing := strings.CutPrefix(want, "error: "); failing {
			if err := c.Err(); err == nil || !strings.Contains(err.Error(), message) {
				t.Errorf("%s: %v, want %s", src, err, message)
			}
			continue
		}
		if text := fmt.Sprint(got.Format, got.Level); c.Err() != nil || text != want {
			t.Errorf("%s: %s, %v; want %s", src, text, c.Err(), want)
		}
	}
}

func TestSet(t *testing.T) {
	c := Default()
	if c.SetFormat("json") != nil || c.SetLevel("warn") != nil || c.Format != JSON || c.Level != slog.LevelWarn {
		t.Errorf("%+v", c)
	}
	if c.SetFormat("xml") == nil || c.SetLevel("WARN") == nil || c.Format != JSON || c.Level != slog.LevelWarn {
		t.Errorf("%+v", c)
	}
}
