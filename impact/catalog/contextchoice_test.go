package catalog

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"rebuild/impact"
)

// listed is a tree in memory whose folders can be listed.
type listed struct{ tree }

func (l listed) ReadDir(_ context.Context, dir string) ([]fs.DirEntry, error) {
	m := fstest.MapFS{}
	for name, data := range l.tree {
		if dir == "." || strings.HasPrefix(name, dir+"/") {
			m[name] = &fstest.MapFile{Data: []byte(data)}
		}
	}
	return m.ReadDir(dir)
}

// TestContextChoice finds the context of svc/api/Dockerfile among svc/api, svc and
// the root.
func TestContextChoice(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		files string
		want  string
		why   string
	}{
		"own":                  {"COPY a b /", "svc/api/a svc/api/b", "svc/api", "it has a, b"},
		"root":                 {"COPY svc/api/a shared/ /", "svc/api/a shared/x", ".", "it has svc/api/a, shared/, svc/api has not svc/api/a, shared/"},
		"between":              {"COPY api/a lib /", "svc/api/a svc/lib/x", "svc", "svc/api has not"},
		"nearest of two":       {"COPY a /", "a svc/api/a", "svc/api", "it has a"},
		"wildcard":             {"COPY *.txt /", "x.txt svc/api/y", ".", "it has *.txt"},
		"optional wildcard":    {"COPY a b* /", "svc/api/a", "svc/api", "it has a"},
		"optional, nowhere":    {"COPY cert[s] file* /", "svc/api/a a", "svc/api", "nothing that the file reads of its context need be there"},
		"optional, and all":    {"COPY . /\nCOPY cert[s] /c/", "svc/api/a a", "svc/api", "all of it is copied, and no folder above"},
		"optional in a folder": {"COPY conf/cert[s] /\nCOPY a /", "svc/api/a conf/x a", ".", "it has a, svc/api has not conf/cert[s]"},
		"optional folders":     {"COPY conf*/x a /", "svc/api/a a", "svc/api", "it has a"},
		"most of them":         {"COPY a dist /", "svc/api/a", "svc/api", "no folder has dist"},
		"none of them":         {"COPY dist /", "a", ".", "ambiguous: no folder has dist"},
		"nothing read":         {"RUN true", "a", "svc/api", "reads nothing"},
		"from a stage":         {"COPY --from=0 /x /y", "a", "svc/api", "reads nothing"},
		"a URL":                {"ADD https://example.com/x /y", "a", "svc/api", "reads nothing"},
		"all":                  {"COPY . /", "svc/api/a a", "svc/api", "all of it is copied, and no folder above"},
		"all of nothing":       {"COPY . /", "svc/a a", ".", "ambiguous: nothing tells"},
		"all and an argument":  {"ARG D\nCOPY . /\nCOPY $D/x /", "svc/api/a", ".", "ambiguous: nothing tells"},
		"two ignores":          {"COPY . /", "svc/.dockerignore .dockerignore svc/api/a", ".", "ambiguous: nothing tells"},
		"an ignore of its own": {"COPY . /", "svc/api/.dockerignore .dockerignore svc/api/a", "svc/api", "it has a .dockerignore"},
		"all of a project":     {"COPY . /", "svc/api/go.mod go.mod", "svc/api", "it has go.mod"},
		"all below an ignore":  {"COPY . /", "svc/.dockerignore", "svc", "it has a .dockerignore"},
		"an argument":          {"ARG D=shared\nCOPY $D/x /", "shared/x", ".", "it has shared/x"},
		"an unknown argument":  {"ARG D\nCOPY $D/x /", "shared/x", ".", "ambiguous"},
		"environment":          {"ENV D=shared\nCOPY ${D}/x /", "svc/shared/x", "svc", "it has shared/x"},
		"a mount":              {"RUN --mount=type=bind,source=lib,target=/l true", "lib/x", ".", "it has lib"},
		"a mount of a stage":   {"RUN --mount=type=bind,from=0,source=lib,target=/l true", "lib/x", "svc/api", "reads nothing"},
		"an absolute source":   {"COPY /lib/ /", "lib/x", ".", "it has /lib/"},
		"a heredoc":            {"COPY <<E /x\nhello\nE", "a", "svc/api", "reads nothing"},
		"no Dockerfile at all": {"NOSUCH x", "a", ".", "ambiguous: the file cannot be parsed"},
	} {
		t.Run(name, func(t *testing.T) {
			files := tree{"svc/api/Dockerfile": "FROM scratch\n" + c.text + "\n"}
			for f := range strings.FieldsSeq(c.files) {
				files[f] = "x"
			}
			cat, err := Load(context.Background(), listed{files}, Options{Env: none, Root: "/r/app"})
			if err != nil {
				t.Fatal(err)
			}
			im := cat.Images[0]
			if im.Context != c.want || !strings.Contains(im.Origin, c.why) || im.Dockerfile != "svc/api/Dockerfile" {
				t.Errorf("context %s of %s: %s", im.Context, im.Dockerfile, im.Origin)
			}
			if strings.Contains(c.why, "ambiguous") != slices.ContainsFunc(cat.Warnings, func(w string) bool { return strings.Contains(w, "ambiguous") }) {
				t.Errorf("warnings %v", cat.Warnings)
			}
		})
	}
}

// TestNaming finds names and tags from references, then from folders.
func TestNaming(t *testing.T) {
	files := tree{
		"docker/base/Dockerfile":       "FROM debian:12\n",
		"docker/base-cuda/Dockerfile":  "FROM nvidia/cuda:12.1\n",
		"docker/asr/Dockerfile":        "ARG TAG=cuda\nFROM acme/app-base:${TAG}\n",
		"docker/web/Dockerfile":        "FROM acme/app-base:cpu\nCOPY --from=registry.example.com/tools/lint:latest /l /l\n",
		"docker/web/debug/Dockerfile":  "FROM web\n",
		"tools/lint/Dockerfile":        "FROM python:3.12\n",
		"docker/python/Dockerfile":     "FROM debian:12\n",
		"docker/redis/Dockerfile":      "FROM redis:7\n",
		"docker/pinned/Dockerfile":     "FROM acme/app-base:cuda@sha256:" + strings.Repeat("0", 64) + "\n",
		"Dockerfile":                   "FROM scratch\n",
		"deploy/Dockerfile.migrations": "FROM scratch\n",
		"other/web/Dockerfile":         "FROM unknown/x\n",
	}
	cat, err := Load(context.Background(), listed{files}, Options{Env: none, Root: "/r/shop"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, im := range cat.Images {
		got[im.Dockerfile] = im.Name + " " + strings.Join(im.Tags, ",")
	}
	for file, want := range map[string]string{
		"docker/base/Dockerfile":       "app-base-cpu acme/app-base:cpu",
		"docker/base-cuda/Dockerfile":  "app-base-cuda acme/app-base:cuda",
		"tools/lint/Dockerfile":        "lint registry.example.com/tools/lint",
		"docker/asr/Dockerfile":        "asr asr",
		"docker/python/Dockerfile":     "python ", // FROM python:3.12 may be the one that everyone has
		"docker/redis/Dockerfile":      "redis shop-redis",
		"Dockerfile":                   "shop shop",
		"deploy/Dockerfile.migrations": "migrations migrations",
	} {
		if got[file] != want {
			t.Errorf("%s: %q, want %q", file, got[file], want)
		}
	}
	if err := sane(cat); err != nil {
		t.Error(err)
	}
	if !slices.ContainsFunc(cat.Warnings, func(w string) bool { return strings.HasPrefix(w, "docker/python/Dockerfile: python:3.12") }) {
		t.Errorf("warnings %v", cat.Warnings)
	}
}

// TestLinks finds the Dockerfile that a reference means by its folders, however these and
// the reference are written: a link to the wrong one is worse than none.
func TestLinks(t *testing.T) {
	for name, c := range map[string]struct {
		files string // Dockerfiles
		ref   string
		want  string // the Dockerfile that it means, "" for none
		doubt string // one that it may mean
	}{
		"the folder":                {"base hub", "acme/base", "base", ""},
		"with a prefix":             {"base hub", "acme/shop-base", "base", ""},
		"camel case":                {"Base NodeBase", "acme/node-base", "NodeBase", ""},
		"camel case, the shorter":   {"Base NodeBase", "acme/base", "Base", ""},
		"written as one":            {"Base Node-Base", "acme/nodebase", "Node-Base", ""},
		"half a word":               {"base", "acme/database", "", ""},
		"two folders as one word":   {"data/base", "acme/xdatabase", "", ""},
		"a tag that is a folder":    {"base/cuda base", "acme/base:cuda", "base/cuda", ""},
		"the tag's folder first":    {"cuda/base cpu/base", "acme/base:cuda", "cuda/base", ""},
		"a path of folders":         {"src/deps/10.0/alpine/amd64 src/sdk/10.0/alpine/amd64", "example.com/x/deps:10.0-alpine-amd64", "src/deps/10.0/alpine/amd64", ""},
		"a path of another version": {"src/deps/10.0/alpine/amd64 src/deps/9.0/alpine/amd64", "example.com/x/deps:9.0-alpine-amd64", "src/deps/9.0/alpine/amd64", ""},
		"the version in the middle": {"deps/alpine/10.0", "acme/deps:alpine-10.0", "deps/alpine/10.0", ""},
		"a release of a version":    {"deps/10.0/alpine deps/9.0/alpine", "acme/deps:10.0.3-alpine", "deps/10.0/alpine", ""},
		"a release of few words":    {"deps/10.0 deps/9.0", "acme/deps:10.0.3", "", "deps/10.0"},
		"numbers that run together": {"deps/11.0/alpine deps/2.0/alpine", "acme/deps:1.10-alpine", "", ""},
		"a number without dots":     {"cuda/ubuntu2204 cuda/ubuntu2404", "acme/cuda:ubuntu22.04", "", "cuda/ubuntu2204"},
		"words in another order":    {"noble-deps alpine-deps", "acme/deps:noble", "", "noble-deps"},
		"a platform of everyone's":  {"alpine/3.20 alpine/3.21", "amd64/alpine:3.20", "", "alpine/3.20"},
		"a prefix of its own":       {"base hub", "acme/node-base", "", "base"},
		"one platform of several":   {"deps/noble/amd64 deps/noble/arm64", "acme/deps:noble", "", "deps/noble/amd64"},
		"one version of several":    {"deps/8.0/noble deps/9.0/noble", "acme/deps:7.0", "", ""},
		"goes on after the folder":  {"base hub", "acme/base-tools", "", ""},
		"another version":           {"deps/10.0/alpine", "acme/deps:11.0-alpine", "", ""},
		"folders that say nothing":  {"images/base/docker images/hub/docker", "acme/base", "images/base/docker", ""},
		"two that fit":              {"a/base b/base", "acme/base", "", "a/base"},
		"two that fit, one less":    {"a/node/base b/node/base base", "acme/node-base", "", "a/node/base"},
		"the path of a name":        {"node/base python/base", "example.com/acme/node/base", "node/base", ""},
		"one that everyone has":     {"python/3.12/slim", "python:3.12-slim", "", "python/3.12/slim"},
	} {
		t.Run(name, func(t *testing.T) {
			files := tree{"reader/Dockerfile": "FROM " + c.ref + "\n"}
			for dir := range strings.FieldsSeq(c.files) {
				files[dir+"/Dockerfile"] = "FROM alpine\n"
			}
			cat, err := Load(context.Background(), listed{files}, Options{Env: none, Root: "/r/shop"})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, im := range cat.Images {
				if slices.Contains(im.Refs, canonical(c.ref)) {
					got += path.Dir(im.Dockerfile)
				}
			}
			if got != c.want {
				t.Errorf("%s means %q, want %q", c.ref, got, c.want)
			}
			doubted := slices.ContainsFunc(cat.Warnings, func(w string) bool {
				return c.doubt != "" && strings.HasPrefix(w, c.doubt+"/Dockerfile: "+c.ref)
			})
			if doubted != (c.doubt != "") || c.doubt == "" && len(cat.Warnings) > 0 {
				t.Errorf("warnings %q", cat.Warnings)
			}
		})
	}
}

// TestUnmetReference tells of a reference that would mean an image if its arguments had
// values, and takes those that are given.
func TestUnmetReference(t *testing.T) {
	files := listed{tree{
		"base/Dockerfile": "FROM alpine\n",
		"app/Dockerfile":  "ARG NS\nARG V\nFROM ${NS}/base:${V}\n",
		"own/Dockerfile":  "ARG NAME\nFROM acme/${NAME}\n",
	}}
	opt := Options{Env: none, Root: "/r/shop"}
	layout := listed{tree{
		"deps/10.0/noble/Dockerfile": "FROM alpine\n", "deps/9.0/noble/Dockerfile": "FROM alpine\n", "deps/9.0/jammy/Dockerfile": "FROM alpine\n",
		"sdk/Dockerfile": "ARG REGISTRY\nARG V\nFROM ${REGISTRY}/app/deps:$V-noble\n",
	}}
	cat, err := Load(context.Background(), layout, opt)
	if err != nil || len(cat.Warnings) == 0 || !strings.Contains(cat.Warnings[0], "may mean the image of this file or of deps/9.0/noble/Dockerfile, but has no value") {
		t.Errorf("%v %q", err, cat.Warnings)
	}
	cat, err = Load(context.Background(), files, opt)
	if err != nil {
		t.Fatal(err)
	}
	want := "base/Dockerfile: ${NS}/base:${V} (app/Dockerfile:3) may mean the image of this file, but has no value: --build-arg NS=... --build-arg V=..."
	if len(cat.Warnings) != 2 || cat.Warnings[0] != want {
		t.Errorf("warnings %q", cat.Warnings)
	}
	opt.BuildArgs = map[string]string{"NS": "acme", "V": "latest"}
	if cat, err = Load(context.Background(), files, opt); err != nil || len(cat.Warnings) > 0 {
		t.Fatalf("%v %q", err, cat.Warnings)
	}
	for _, im := range cat.Images {
		if im.Dockerfile == "base/Dockerfile" && !slices.Equal(im.Tags, []string{"acme/base"}) {
			t.Errorf("tags %q", im.Tags)
		}
	}
}

// TestDraftLinks asks what a reference means, and writes down the answer.
func TestDraftLinks(t *testing.T) {
	for _, c := range []struct{ answer, tags string }{{"a/base/Dockerfile", "tags: [acme/base]"}, {fromOutside, ""}} {
		files := tree{"a/base/Dockerfile": "FROM alpine\n", "b/base/Dockerfile": "FROM alpine\n", "app/Dockerfile": "FROM acme/base\n"}
		draft, err := NewDraft(context.Background(), listed{files}, Options{Env: none, Root: "/r/app"})
		if err != nil {
			t.Fatal(err)
		}
		open := draft.Questions()
		if len(open) != 1 || open[0].Text != "the image of which Dockerfile is acme/base (app/Dockerfile:1)?" || !slices.Contains(open[0].Options, c.answer) {
			t.Fatalf("questions %v", open)
		}
		draft.Answer(open[0], c.answer)
		if len(draft.Questions()) > 0 || len(draft.Warnings()) > 0 {
			t.Errorf("%v is still open: %q", draft.Questions(), draft.Warnings())
		}
		text := string(draft.Text())
		if strings.Contains(text, "?") != strings.Contains(text, `marked with "?"`) || strings.Count(text, "?") != 1 || strings.Contains(text, "acme/base]") != (c.tags != "") {
			t.Errorf("%s: %s", c.answer, text)
		}
	}
}

// TestDraftLoads holds that what a draft writes loads to the catalog that the tree
// has without it, at every corpus-like tree of this file.
func TestDraftLoads(t *testing.T) {
	files := tree{
		"a b/Dockerfile":         "FROM scratch\nCOPY x /\n",
		"a b/x":                  "",
		"true/Dockerfile":        "FROM scratch\nCOPY . /\n",
		"1.0/x.Dockerfile":       "FROM reg.example.com:5000/team/ü:1\n",
		"q\"uote/Dockerfile":     "FROM scratch\n",
		"deep/er/Containerfile":  "FROM scratch\nCOPY deep/er/y /\n",
		"deep/er/y":              "",
		"c/Dockerfile.template":  "FROM scratch\n",
		"vendor/x/y/Dockerfile":  "FROM scratch\n",
		"broken/Dockerfile":      "FROM\n",
		"broken/deeper/textfile": "x",
	}
	opt := Options{Env: none, Root: "/r/app"}
	found, err := Load(context.Background(), listed{files}, opt)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := NewDraft(context.Background(), listed{files}, opt)
	if err != nil {
		t.Fatal(err)
	}
	files["rebuild.yaml"] = string(draft.Text())
	written, err := Load(context.Background(), listed{files}, opt)
	if err != nil {
		t.Fatalf("%v\n%s", err, draft.Text())
	}
	found.Images = slices.DeleteFunc(found.Images, func(im impact.Image) bool { return im.Apart != "" }) // not written down
	found.Default = nil
	for i := range found.Images {
		found.Images[i].Origin = ""
		written.Images[i].Origin = ""
		found.Images[i].Ambiguous = false // written down, a guess is a decision
	}
	found.Files, written.Files, found.Warnings, written.Warnings = nil, nil, nil, nil
	if a, b := pretty(t, found), pretty(t, written); string(a) != string(b) {
		t.Errorf("found:\n%s\nwritten:\n%s", a, b)
	}
	for _, q := range draft.Questions() {
		draft.Answer(q, q.Options[0])
	}
	if len(draft.Questions()) != 0 {
		t.Error("answered questions are left")
	}
	if _, err := NewDraft(context.Background(), listed{files}, opt); err == nil || !strings.Contains(err.Error(), "defines the images already") {
		t.Errorf("a second draft: %v", err)
	}
}
