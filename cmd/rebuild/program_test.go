package main

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// program is the built binary, as users have it: without the race detector, which
// would also tell of a race in BuildKit's frontend/dockerfile/builder, where several
// bases of one Dockerfile set one field (withResolveCache).
func program(t testing.TB) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "rebuild")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}
