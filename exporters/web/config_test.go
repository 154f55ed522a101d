package web

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmeter/meter/conf"
)

func TestParse(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good.yml")
	bad := filepath.Join(t.TempDir(), "bad.yml")
	for path, text := range map[string]string{good: "basic_auth_users: {}\n", bad: "tls_server_config: {cert_file: missing.pem, key_file: missing.key}\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	def := []string{DefaultListen}
	for src, want := range map[string]struct {
		Config
		err string
	}{
		`web:`:                                {Config{Listen: def}, ""},
		`web: {}`:                             {Config{Listen: def}, ""},
		`web: {listen: "[::1]:80"}`:           {Config{Listen: []string{"[::1]:80"}}, ""},
		`web: {listen: ["a:1", "b:2"]}`:       {Config{Listen: []string{"a:1", "b:2"}}, ""},
		`web: {control: true, pprof: true}`:   {Config{Listen: def, Control: true, PProf: true}, ""},
		`web: {systemd_socket: true}`:         {Config{Listen: def, SystemdSocket: true}, ""},
		`web: {config_file: ` + good + `}`:    {Config{Listen: def, ConfigFile: good}, ""},
		`web: {config_file: ` + bad + `}`:     {Config{}, "f:1:20: web configuration " + bad + ": failed to read cert_file"},
		`web: {config_file: /no/such/file}`:   {Config{}, "no such file"},
		`web: {listen: 80}`:                   {Config{}, `f:1:15: address "80": write host:port`},
		`web: {listen: ["a:1", "b"]}`:         {Config{}, `address "b"`},
		`web: {listen: []}`:                   {Config{}, "0 addresses to listen on"},
		`web: {listne: "a:1"}`:                {Config{}, "did you mean listen?"},
		`web: {control: maybe}`:               {Config{}, "write true or false"},
		`prometheus:`:                         {Config{Listen: def}, ""},
		`prometheus: {listen: "a:1"}`:         {Config{Listen: []string{"a:1"}}, ""},
		`prometheus: {control: true}`:         {Config{}, `unknown key "control"`},
		`prometheus: {config_file: /no/such}`: {Config{}, "no such file"},
	} {
		v, c := conf.Parse("f", []byte(src))
		var got Config
		v.Map(conf.Fields{
			"web":        func(v conf.Value) { got = Parse(v) },
			"prometheus": func(v conf.Value) { got = ParseMetrics(v) },
		})
		if err := c.Err(); err != nil || want.err != "" {
			if err == nil || want.err == "" || !strings.Contains(err.Error(), want.err) {
				t.Errorf("%s: %v, want %q", src, err, want.err)
			}
			continue
		}
		if !slices.Equal(got.Listen, want.Listen) || got.ConfigFile != want.ConfigFile ||
			got.Control != want.Control || got.PProf != want.PProf || got.SystemdSocket != want.SystemdSocket {
			t.Errorf("%s: %+v, want %+v", src, got, want.Config)
		}
	}
}

func TestValidate(t *testing.T) {
	c := Default()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []Config{{}, {Listen: []string{"a"}}, {Listen: make([]string, maxListen+1)}, {Listen: []string{DefaultListen}, ConfigFile: "/no/such"}} {
		if c.Validate() == nil {
			t.Errorf("%+v is valid", c)
		}
		if _, err := New(c, Hooks{}, nil); err == nil {
			t.Errorf("%+v makes a server", c)
		}
	}
}
