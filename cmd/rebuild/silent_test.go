package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A verb that only looks says that it waits for an engine that takes connections and says
// nothing, goes on without it, and says what is not known then.
func TestLooksWithoutSilentEngine(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{"rebuild.yaml": "images: {app: {tags: [app]}}\n", "Dockerfile": "FROM busybox\nCOPY Dockerfile /\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("unix", filepath.Join(dir, "engine.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer func() { _ = c.Close() }() // at the end: one that nobody holds is closed before
		}
	}()
	for verb, unknown := range map[string]string{
		"list":  "what external base images set is left out",
		"graph": "what external base images set is left out",
		"plan":  "whether the images are still there is left out",
	} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			cmd := exec.Command("rebuild", verb, "--host", "unix://"+l.Addr().String(), "--engine-timeout", "3s")
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "XDG_STATE_HOME="+t.TempDir())
			var stdout, stderr strings.Builder
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Run(); err != nil || !strings.Contains(stdout.String(), "app") {
				t.Errorf("%v: %s", err, stdout.String())
			}
			if took := time.Since(begun); took > 8*time.Second {
				t.Errorf("it took %v", took)
			}
			if said := stderr.String(); !strings.HasPrefix(said, "rebuild: waits for the engine ...\n") || !strings.Contains(said, "it does not answer within 3s; "+unknown) {
				t.Errorf("it says\n%s", said)
			}
		})
	}
}
