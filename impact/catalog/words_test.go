package catalog

import (
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	for name, want := range map[string]string{
		"NodeBase": "node base", "node-base": "node base", "node_base": "node base", "nodebase": "nodebase", "HTTPServer": "http server",
		"alpine3.22-amd64": "alpine 3.22 amd 64", "10.0.1-noble": "10.0.1 noble", "v10.0": "10.0", "arm64v8": "arm 64 v 8",
		"12-1": "12 1", "1.": "1", "..": "", "é-Ünit": "é ünit", "x86_64": "x 86 64",
	} {
		if got := strings.Join(wordsOf(name), " "); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for a, b := range map[string]string{"NodeBase": "node_base", "nodebase": "node-base", "ubuntu22.04": "ubuntu-22.04"} {
		if joined(wordsOf(a)) != joined(wordsOf(b)) {
			t.Errorf("%s is not %s", a, b)
		}
	}
	if joined(wordsOf("1.10")) == joined(wordsOf("11.0")) || joined(wordsOf("1-10")) == joined(wordsOf("11-0")) {
		t.Error("numbers run together")
	}
}

// FuzzFits holds any path against any reference: what it covers lies in the reference, and
// a path that lacks all of its words does not fit.
func FuzzFits(f *testing.F) {
	f.Add("src/runtime/10.0/noble/amd64/Dockerfile", "registry.example/app/runtime:10.0.1-noble-amd64")
	f.Add("NodeBase/Dockerfile.dev", "acme/node-base")
	f.Add("a/1.1.1.1.1/"+strings.Repeat("x-1/", 40)+"Dockerfile", "acme/"+strings.Repeat("x-1/", 40)+"a:1.1.1-x")
	f.Fuzz(func(t *testing.T, file, ref string) {
		c := newClaim(ref)
		if c == nil || !strings.Contains(file, "/") || strings.HasPrefix(file, "/") || strings.HasSuffix(file, "/") {
			return
		}
		im := &foundImage{dockerfile: strings.Trim(file, "/"), recipe: &recipe{}}
		d := &discovery{images: []*foundImage{im}}
		d.segments()
		got := im.fits(c)
		if got.match != noMatch && got.words == 0 || got.words > len(c.path)+len(c.tag) {
			t.Errorf("%s fits %s: %+v", file, ref, got)
		}
	})
}
