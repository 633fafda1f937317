package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rebuild/docker/enginetest"
)

// BenchmarkPush pushes a commit that touches no image, of a repository of 20,000
// files and 2,000 commits, to a remote on the same disk: with the hook, against the
// same push without it.
func BenchmarkPush(b *testing.B) {
	enginetest.Connect(b)
	bin, dir := program(b), example(b, 20_000)
	command(b, dir, bin, "--progress", "quiet") // what is pushed was built before
	addCommits(b, dir, 2_000)
	for _, remote := range []string{"with", "without"} {
		url := filepath.Join(b.TempDir(), remote+".git")
		git(b, dir, "init", "-q", "--bare", url)
		git(b, dir, "remote", "add", remote, "file://"+url)
		git(b, dir, "push", "-q", remote, "main")
	}
	command(b, dir, bin, "hook", "install")
	n := 0
	edit := func() {
		n++
		if err := os.WriteFile(filepath.Join(dir, "other", "0", "0"), []byte(fmt.Sprint("edit ", n)), 0o644); err != nil {
			b.Fatal(err)
		}
		git(b, dir, "-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "maintenance.auto=false", "-c", "gc.auto=0", "commit", "-qam", "edit")
	}
	against(b, "of-bare-push",
		func() time.Duration { edit(); return command(b, dir, "git", "push", "-q", "with", "main") },
		func() time.Duration {
			edit()
			return command(b, dir, "git", "push", "-q", "--no-verify", "without", "main")
		})
}

// addCommits adds so many commits of one file each.
func addCommits(b *testing.B, dir string, commits int) {
	b.Helper()
	var in strings.Builder
	for i := range commits {
		text := fmt.Sprint("commit ", i)
		fmt.Fprintf(&in, "commit refs/heads/main\ncommitter a <a@localhost> %d +0000\ndata 1\nc\n", 1_700_000_000+i)
		if i == 0 {
			in.WriteString("from refs/heads/main^0\n")
		}
		fmt.Fprintf(&in, "M 644 inline other/1/%d\ndata %d\n%s\n", 200+i%200, len(text), text)
	}
	cmd := exec.Command("git", "-C", dir, "fast-import", "--quiet")
	cmd.Stdin = strings.NewReader(in.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("git fast-import: %v\n%s", err, out)
	}
	git(b, dir, "reset", "-q", "--hard", "main")
}
