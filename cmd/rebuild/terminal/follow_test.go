package terminal

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A follower prints whole lines as they are added, misses none that came to a log
// before it was rotated, and goes on with the one that takes its place.
func TestFollowGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "watch.log")
		add := func(text string) {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteString(text); err != nil {
				t.Fatal(err)
			}
		}
		add("one\n")
		ctx, cancel := context.WithCancel(t.Context())
		var out strings.Builder
		ended := make(chan error, 1)
		go func() { ended <- Follow(ctx, path, &out, true) }()
		printed := func(want string) {
			t.Helper()
			time.Sleep(3 * followPoll)
			synctest.Wait()
			if out.String() != want {
				t.Errorf("printed %q, want %q", out.String(), want)
			}
			out.Reset()
		}
		printed("one\n")
		add("two\nthr")
		printed("two\n")
		add("ee\n")
		printed("three\n")

		add("four\n")
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
		add("five\n")
		printed("four\nfive\n")

		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		printed("")
		add("six\nseven\n")
		printed("six\nseven\n")

		if err := os.WriteFile(path, []byte("anew\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		printed("anew\n")
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for text, want := range map[string]string{"": "", "a\nb\n": "a\nb\n", "a\nb": "a\nb\n", "a\n  ": "a\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := Follow(t.Context(), path, &out, false); err != nil || out.String() != want {
			t.Errorf("%q: printed %q, %v", text, out.String(), err)
		}
	}
	if err := Follow(t.Context(), path+".none", &strings.Builder{}, true); !os.IsNotExist(err) {
		t.Errorf("a file that there is not: %v", err)
	}
}
