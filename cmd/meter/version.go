package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker (-X main.version=…) for a release.
var version = "development"

type versionCmd struct{}

// Run prints version, commit and Go version.
func (*versionCmd) Run(a *app) error {
	v, commit := buildVersion()
	_, err := fmt.Fprintf(a.stdout, "meter %s (commit %s, %s, %s/%s)\n", v, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

func buildVersion() (v, commit string) {
	commit = "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, commit
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value[:min(12, len(s.Value))]
		}
	}
	return version, commit
}
