package standin

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/distribution/reference"
)

// TestCanonical holds the spelling of references against docker's own library.
func TestCanonical(t *testing.T) {
	for _, ref := range []string{
		"app", "app:1", "team/app", "team/app:1.2", "localhost/app", "localhost:5000/app", "reg.example/app", "reg.example:5000/a/b:c", "docker.io/app",
		"docker.io/library/app:latest", "index.docker.io/team/app", "a/b/c",
	} {
		named, err := reference.ParseNormalizedNamed(ref)
		if err != nil {
			t.Fatal(err)
		}
		named = reference.TagNameOnly(named)
		if got, want := canonical(ref), named.String(); got != want {
			t.Errorf("canonical(%q) = %s, want %s", ref, got, want)
		}
		if got, want := familiar(ref), reference.FamiliarString(named); got != want {
			t.Errorf("familiar(%q) = %s, want %s", ref, got, want)
		}
	}
}

// TestValidTag holds what can be a tag against docker's own library.
func TestValidTag(t *testing.T) {
	for _, tag := range []string{
		"app", "app:1", "team/app:1.2", "localhost:5000/app", "Reg.example/app", "a__b/c--d:_x", "app:" + strings.Repeat("x", 128), "xn--a.example/a",
		"", "App", "team/App", "app:", "app:-x", "a//b", "/a", "a/", "app:a b", "a___b", "-a", "a-", "app:" + strings.Repeat("x", 129), "app:a/b", "a b", "${TAG}", "app:${TAG}",
	} {
		named, err := reference.ParseNormalizedNamed(tag)
		if err == nil && tag != "" {
			_, digested := named.(reference.Digested)
			if digested {
				continue
			}
		}
		if got := validTag(tag); (got == nil) != (err == nil) {
			t.Errorf("%q: %v, docker says %v", tag, got, err)
		}
	}
}

// TestEnvironment: what is kept of the environment, and that no secret is.
func TestEnvironment(t *testing.T) {
	got := environment([]string{
		"HTTP_PROXY=http://user:word@proxy:80", "https_proxy=http://proxy", "no_proxy=a,b", "ALL_PROXY=socks5://u:bad word@x", "BUILDKIT_PROGRESS=plain", "DOCKER_BUILDKIT=0",
		"BUILDX_BAKE_GIT_AUTH_TOKEN=word", "DOCKER_AUTH_CONFIG=word", "COMPOSE_FILE=a.yaml", "AWS_SECRET_ACCESS_KEY=word", "HOME=/root", "DOCKER_HOST=ssh://x",
	})
	for name, value := range got {
		if strings.Contains(value, "word") {
			t.Errorf("%s=%s", name, value)
		}
	}
	for _, name := range []string{"HTTP_PROXY", "https_proxy", "no_proxy", "BUILDKIT_PROGRESS", "DOCKER_BUILDKIT", "COMPOSE_FILE", "DOCKER_HOST"} {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is not kept", name)
		}
	}
	if len(got) != 8 {
		t.Errorf("%v", got)
	}
}

// TestClaims: calls at the same time have numbers of their own, and none is lost.
func TestClaims(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, callsFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	const calls = 40
	var all sync.WaitGroup
	for range calls {
		all.Go(func() {
			n, err := claim(folder)
			if err == nil {
				err = (&Call{Number: n, Program: "docker"}).write(folder)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	read, err := Calls(folder)
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for _, c := range read {
		numbers = append(numbers, c.Number)
	}
	if slices.Sort(numbers); len(slices.Compact(numbers)) != calls {
		t.Errorf("%d calls of %d: %v", len(numbers), calls, numbers)
	}
}

// TestMeans: the words by which a user names an image that is to fail.
func TestMeans(t *testing.T) {
	for _, c := range []struct {
		want, tag string
		ok        bool
	}{
		{"speech/asr:cuda", "speech/asr:cuda", true}, {"asr-cuda", "speech/asr:cuda", true}, {"docker.io/speech/asr:cuda", "speech/asr:cuda", true},
		{"speech/*:cuda", "speech/asr:cuda", true}, {"speech/asr", "speech/asr", true}, {"speech/asr:latest", "speech/asr", true}, {"asr", "speech/asr", true},
		{"speech/asr", "speech/asr:cuda", false}, {"asr", "speech/asr:cuda", false}, {"[", "speech/asr", false},
	} {
		if got := means(c.want, c.tag); got != c.ok {
			t.Errorf("means(%q, %q) = %v", c.want, c.tag, got)
		}
	}
}
