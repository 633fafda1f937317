package catalog

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rebuild/impact"
	"rebuild/impact/catalog/evidence"
)

// layout is a generated tree of Dockerfiles whose links are known.
type layout struct {
	files tree
	truth map[string]map[string]string // Dockerfile -> reference -> the Dockerfile it means, "" from outside
}

func (l *layout) add(dir string, lines ...string) string {
	file := path.Join(dir, "Dockerfile")
	if strings.HasSuffix(dir, "ockerfile") || strings.Contains(path.Base(dir), "Dockerfile.") {
		file = dir
	}
	l.files[file] = strings.Join(lines, "\n") + "\nRUN true\n"
	return file
}

// means notes what a Dockerfile's reference means.
func (l *layout) means(reader, ref, file string) {
	if l.truth[reader] == nil {
		l.truth[reader] = map[string]string{}
	}
	l.truth[reader][ref] = file
}

// A shape writes paths and references of one kind; a name, version, system and platform
// give an image.
type shape struct {
	name string
	dir  func(name, version, system, platform string) string
	ref  func(name, patch, system, platform string) string // without the registry
}

// shapes are the ways in which trees of many images are laid out.
var shapes = []shape{
	{"name/version/system/platform",
		func(n, v, s, p string) string { return path.Join("src", n, v, s, p) },
		func(n, v, s, p string) string { return n + ":" + v + "-" + s + "-" + p }},
	{"version/system/name/platform",
		func(n, v, s, p string) string { return path.Join(v, s, n, p) },
		func(n, v, s, p string) string { return n + ":" + v + "-" + s + "-" + p }},
	{"system/version/platform/name",
		func(n, v, s, p string) string { return path.Join("images", s, v, p, n) },
		func(n, v, s, p string) string { return n + ":" + v + "-" + s + "-" + p }},
	{"name in the repository, system first",
		func(n, v, s, p string) string { return path.Join("docker", n, s+"-"+v, p) },
		func(n, v, s, p string) string { return n + ":" + s + "-" + v + "-" + p }},
	{"flat folders, another order",
		func(n, v, s, p string) string { return s + "-" + p + "-" + n + "-" + v },
		func(n, v, s, p string) string { return n + ":" + v + "-" + s + "-" + p }},
	{"flat folders",
		func(n, v, s, p string) string { return n + "-" + v + "-" + s + "-" + p },
		func(n, v, s, p string) string { return n + ":" + v + "-" + s + "-" + p }},
	{"camel case",
		func(n, v, s, p string) string { return path.Join(camel(n), v, camel(s), p) },
		func(n, v, s, p string) string { return n + ":" + v + "-" + s + "-" + p }},
	{"all in the name",
		func(n, v, s, p string) string { return path.Join("dockerfiles", n, s, p, v) },
		func(n, v, s, p string) string { return n + "-" + s + "-" + p + ":" + v }},
	{"variants of file names",
		func(n, v, s, p string) string { return path.Join("containers", n, v, "Dockerfile."+s+"-"+p) },
		func(n, v, s, p string) string { return n + ":" + v + "-" + s + "-" + p }},
	{"folders of the repository's path",
		func(n, v, s, p string) string { return path.Join("build", strings.ReplaceAll(n, "-", "/"), v, s, p) },
		func(n, v, s, p string) string { return strings.ReplaceAll(n, "-", "/") + ":" + v + "-" + s + "-" + p }},
	{"the tag alone",
		func(n, v, s, p string) string { return path.Join(v, n, s, p) },
		func(n, v, s, p string) string { return "product:" + v + "-" + n + "-" + s + "-" + p }},
	{"snake case, a prefix",
		func(n, v, s, p string) string { return path.Join("src", strings.ReplaceAll(n, "-", "_"), v, s+"_"+p) },
		func(n, v, s, p string) string { return "acme-" + n + ":" + v + "-" + s + "-" + p }},
}

func camel(s string) string {
	var b strings.Builder
	for _, w := range strings.Split(s, "-") {
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return b.String()
}

// generate writes a tree: chains of names in several versions, on several systems and
// platforms, each image built on the one before it in its chain.
func generate(r *rand.Rand, s shape, count int) layout {
	l := layout{files: tree{}, truth: map[string]map[string]string{}}
	chains := [][]string{{"runtime-deps", "runtime", "aspnet", "sdk"}, {"base", "node-base", "node-chrome"}, {"base-cuda", "train", "serve"}, {"build-tools", "lint"}}
	systems := []string{"noble", "noble-chiseled", "alpine3.22", "alpine3.21", "bookworm-slim", "ubuntu22.04"}
	platforms := []string{"amd64", "arm64v8", "arm32v7"}
	versions := []string{"8.0", "9.0", "10.0", "11.0"}
	patches := r.IntN(2) == 1
	registry := []string{"registry.example/app", "ghcr.io/acme", "acme", "registry.example:5000/a/b/c"}[r.IntN(4)]
	outside := []string{"alpine:3.22", "ubuntu:22.04", "mcr.example/other/sdk:10.0.3-noble-amd64", "nvidia/cuda:12.1.0-base-ubuntu22.04", "amd64/alpine:3.21", "bitnami/node:20"}
	r.Shuffle(len(systems), func(i, j int) { systems[i], systems[j] = systems[j], systems[i] })
	for _, system := range systems {
		for _, v := range versions {
			for _, p := range platforms {
				for _, chain := range chains {
					last, lastRef := "", ""
					for i, n := range chain {
						if len(l.files) >= count {
							return l
						}
						patch := v
						if patches {
							patch = v + "." + fmt.Sprint(3+len(v))
						}
						ref := registry + "/" + s.ref(n, patch, system, p)
						dir := s.dir(n, v, system, p)
						var file string
						from := outside[r.IntN(len(outside))]
						if r.IntN(10) == 0 { // which was here once
							from = registry + "/" + s.ref(n, "7.0", system, p)
						}
						switch {
						case i == 0:
							file = l.add(dir, "FROM "+from)
							l.means(file, from, "")
						case r.IntN(2) == 0:
							repo, tag, _ := cutTag(lastRef)
							file = l.add(dir, "ARG REPO="+repo, "ARG VERSION="+tag, "FROM ${REPO}:${VERSION}")
							l.means(file, lastRef, last)
						default:
							name := strings.TrimPrefix(lastRef, registry+"/")
							file = l.add(dir, "ARG REGISTRY="+registry, "FROM "+from+" AS build", "FROM $REGISTRY/"+name)
							l.means(file, lastRef, last)
							l.means(file, from, "")
						}
						last, lastRef = file, ref
					}
				}
			}
		}
	}
	return l
}

func cutTag(ref string) (repo, tag string, ok bool) {
	i := strings.LastIndexByte(ref, ':')
	return ref[:i], ref[i+1:], true
}

// judged are the links of a tree that were found, that are wrong, that are asked about, and
// that are lost.
type judged struct{ found, wrong, asked, lost []string }

func (l layout) judge(cat impact.Catalog) judged {
	var out judged
	byRef := map[string][]string{}
	for _, im := range cat.Images {
		for _, ref := range im.Refs {
			byRef[ref] = append(byRef[ref], im.Dockerfile)
		}
	}
	for _, reader := range slices.Sorted(maps.Keys(l.truth)) {
		for _, ref := range slices.Sorted(maps.Keys(l.truth[reader])) {
			want, got := l.truth[reader][ref], byRef[canonical(ref)]
			said := fmt.Sprintf("%s reads %s: %q, want %q", reader, ref, got, want)
			asked := slices.ContainsFunc(cat.Warnings, func(w string) bool { return strings.Contains(w, ": "+ref+" (") })
			switch {
			case len(got) > 1 || len(got) == 1 && got[0] != want:
				out.wrong = append(out.wrong, said)
			case want == "":
			case len(got) == 1:
				out.found = append(out.found, said)
			case asked:
				out.asked = append(out.asked, said)
			default:
				out.lost = append(out.lost, said)
			}
		}
	}
	return out
}

// TestLayouts finds the links of trees of 700 Dockerfiles: at least 95 of 100 of them, none
// that is wrong, and the rest as questions.
func TestLayouts(t *testing.T) {
	for i, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			l := generate(rand.New(rand.NewPCG(1, uint64(i))), s, 700)
			cat, err := Load(context.Background(), listed{l.files}, Options{Env: none, Root: "/r/shop"})
			if err != nil {
				t.Fatal(err)
			}
			got := l.judge(cat)
			all := len(got.found) + len(got.asked) + len(got.lost)
			t.Logf("%d Dockerfiles: %d of %d links found, %d asked about; %d warnings", len(l.files), len(got.found), all, len(got.asked), len(cat.Warnings))
			if all < 300 || len(got.found)*100 < all*95 {
				t.Errorf("%d of %d links found, for example not %q", len(got.found), all, slices.Concat(got.asked, got.lost)[:min(3, all-len(got.found))])
			}
			if len(got.wrong) > 0 {
				t.Errorf("%d links are wrong: %q", len(got.wrong), got.wrong[:min(3, len(got.wrong))])
			}
			if len(got.lost) > 0 {
				t.Errorf("%d links are neither made nor asked about: %q", len(got.lost), got.lost[:min(3, len(got.lost))])
			}
		})
	}
}

// BenchmarkDiscover finds the images of 700 Dockerfiles on the disk.
func BenchmarkDiscover(b *testing.B) {
	dir := b.TempDir()
	for name, text := range generate(rand.New(rand.NewPCG(1, 0)), shapes[0], 700).files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := Load(context.Background(), folder(dir), Options{Env: none, Root: "/r/shop"}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNames judges the names of 20,000 files: what it costs to look for definitions and
// for what tells of builds while Dockerfiles are sought.
func BenchmarkNames(b *testing.B) {
	var names []string
	for i := range 20_000 {
		names = append(names, fmt.Sprintf("src/part%d/lib/file%d%s", i/200, i, []string{".go", ".json", ".yaml", ".ts", ""}[i%5]))
	}
	found := 0
	for b.Loop() {
		for _, name := range names {
			if evidence.Reads(name) || mayDefine(name) {
				found++
			}
		}
	}
	if found > 0 {
		b.Error("a file is taken for what it is not")
	}
}
