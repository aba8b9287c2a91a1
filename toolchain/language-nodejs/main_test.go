package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFlagsFor(t *testing.T) {
	cases := map[string][]string{
		"runtime: nodejs": nil,
		"runtime:\n  name: nodejs\n  options:\n    typescript: false\n    nodeargs: --import ./preload.mjs\n": {
			"-typescript=false", "-nodeargs=--import ./preload.mjs",
		},
		"runtime:\n  name: nodejs\n  options:\n    packagemanager: npm\n": nil,
	}
	for text, want := range cases {
		project := t.TempDir()
		if err := os.WriteFile(filepath.Join(project, "Pulumi.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		program := filepath.Join(project, "program")
		if err := os.Mkdir(program, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, directory := range []string{project, program} {
			if got, err := flagsFor(directory); err != nil || !slices.Equal(got, want) {
				t.Errorf("%q gives %q, %v; want %q", text, got, err, want)
			}
		}
	}
	if got, err := flagsFor(t.TempDir()); err != nil || got != nil {
		t.Errorf("no project gives %q, %v", got, err)
	}
}
