package main

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// program is the built binary, as users have it, with the guard of its hook beside it.
func program(t testing.TB) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "rebuild")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Dir(bin)+"/", "../...").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}
