package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestUnreadable reads, as somebody who may not, a file that a COPY takes, a
// Dockerfile, and a definition.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"rebuild.yaml": "images:\n  a: {dockerfile: D}\n  b: {dockerfile: E}\n",
		"D":            "FROM scratch\nCOPY s /\n",
		"E":            "FROM scratch\nCOPY E /\n",
		"s":            "x",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	bin := program(t)
	if err := os.Rename(bin, filepath.Join(dir, "program")); err != nil {
		t.Fatal(err)
	}
	bin = filepath.Join(dir, "program")
	for p := dir; strings.HasPrefix(p, os.TempDir()) && p != os.TempDir(); p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct{ file, want string }{
		{"s", "rebuild: error: D:2: COPY s /: cannot read /s: "},
		{"D", "rebuild: error: D: "},
		{"rebuild.yaml", "rebuild: error: definition rebuild.yaml: "},
	} {
		name := filepath.Join(dir, tc.file)
		if err := os.Chmod(name, 0); err != nil {
			t.Fatal(err)
		}
		var errs bytes.Buffer
		cmd := exec.Command(bin, "plan")
		cmd.Dir, cmd.Stderr = dir, &errs
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_STATE_HOME=/nonexistent", "DOCKER_HOST=unix:///nonexistent")
		if os.Getuid() == 0 { // who may read everything
			const nobody = 65534
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
		_ = cmd.Run() // the exit code is read below
		if code := cmd.ProcessState.ExitCode(); code != exitUsage || !strings.Contains(errs.String(), tc.want) || !strings.Contains(errs.String(), "permission denied") {
			t.Errorf("%s: exit %d\n%s", tc.file, code, &errs)
		}
		if err := os.Chmod(name, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
