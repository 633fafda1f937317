package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rebuild/docker/enginetest"
)

// TestREADME runs the README's commands, in order, in a copy of the example: what
// they print is not compared, that they work is. The targets of make are run by
// whoever runs this test; here they must exist.
func TestREADME(t *testing.T) {
	e := enginetest.Connect(t)
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Inspect(t.Context(), "speech/os:1"); err != nil {
		t.Fatalf("this test needs the example's base image (.ci/setup base makes it): %v", err)
	}
	dir, bin := example(t, 0), program(t)
	t.Setenv("PATH", filepath.Dir(bin)+string(filepath.ListSeparator)+os.Getenv("PATH"))

	t.Cleanup(func() { _ = exec.Command(bin, "-C", dir, "stop").Run() }) // a daemon that a failure left
	commands := regexp.MustCompile(`(?m)^\$ (.+)$`).FindAllStringSubmatch(string(text), -1)
	if len(commands) < 10 {
		t.Fatalf("only %d commands in README.md", len(commands))
	}
	for _, c := range commands {
		if target, ok := strings.CutPrefix(c[1], "make "); ok {
			if !strings.Contains(string(makefile), "\n"+target+":") {
				t.Errorf("$ %s: there is no such target", c[1])
			}
			continue
		}
		cmd := exec.Command("sh", "-c", c[1])
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("$ %s: %v\n%s", c[1], err, out)
		}
	}
}
