package evidence

import (
	"fmt"
	"strings"
	"testing"
)

func (b Build) said() string {
	out := fmt.Sprintf("%v %s", b.Dirs, b.Context)
	if b.InContext {
		out += "/"
	}
	out += " " + b.Dockerfile
	if b.Target != "" {
		out += " =" + b.Target
	}
	if len(b.Tags) > 0 {
		out += " " + strings.Join(b.Tags, ",")
	}
	for name, value := range b.Args {
		out += " " + name + "=" + value
	}
	return out
}

// TestCommands reads lines of a script in ci/.
func TestCommands(t *testing.T) {
	for line, want := range map[string]string{
		"docker build .":                         "[. ci] ./ Dockerfile",
		"docker build -t a:1 --tag=b -tc x":      "[. ci] x/ Dockerfile a:1,b,c",
		"docker build -f d/Dockerfile .":         "[. ci] . d/Dockerfile",
		"docker build . --file d/Dockerfile":     "[. ci] . d/Dockerfile",
		"docker --context x -H y buildx build .": "[. ci] ./ Dockerfile",
		"docker image build -q --pull .":         "[. ci] ./ Dockerfile",
		"sudo DOCKER_BUILDKIT=1 docker build .":  "[. ci] ./ Dockerfile",
		"DOCKER_BUILDKIT=1 docker build .":       "[. ci] ./ Dockerfile",
		"/usr/bin/podman build .":                "[. ci] ./ Dockerfile",
		"buildah bud -t x .":                     "[. ci] ./ Dockerfile x",
		"docker build --target prod 'a b'":       "[. ci] a b/ Dockerfile =prod",
		`docker build --build-arg "A=b c" .`:     "[. ci] ./ Dockerfile A=b c",
		"docker build --build-arg A .":           "[. ci] ./ Dockerfile",
		"docker build -t $NAME:1 .":              "[. ci] ./ Dockerfile",
		"docker build --build-arg A=$B .":        "[. ci] ./ Dockerfile",
		"cd x && docker build .":                 "[x ci/x] ./ Dockerfile",
		"(cd x); docker build .":                 "[. ci] ./ Dockerfile",
		"f() { cd x; docker build .; }; f":       "[x ci/x] ./ Dockerfile",
		"if true; then docker build .; fi":       "[. ci] ./ Dockerfile",
		`id=$(docker build -q .)`:                "[. ci] ./ Dockerfile",
		"cd $X && docker build .":                "[. ci] ./ Dockerfile",
		"cd .. && docker build .":                "[.] ./ Dockerfile",
		"cd /x && cd y && docker build .":        "[y ci/y] ./ Dockerfile",

		"docker build $DIR":                  "",
		"docker build *":                     "",
		"docker build -f $X .":               "",
		"docker build $FLAGS .":              "",
		"docker build --target $T .":         "",
		"docker build --no-such x .":         "",
		"docker build - < Dockerfile":        "",
		"docker build -f - .":                "",
		"docker build https://example.com/x": "",
		"docker build /srv":                  "",
		"docker build --build-context a=b .": "",
		"docker build a b":                   "",
		"docker build":                       "",
		"docker run build .":                 "",
		"echo docker build .":                "",
		"# docker build .":                   "",
		"cat <<E\ndocker build .\nE":         "",
		"docker build . 'unfinished":         "",
	} {
		var got []string
		for _, b := range Of("ci/x.sh", []byte(line+"\n")).Builds {
			got = append(got, b.said())
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// TestReads tells which files are looked at.
func TestReads(t *testing.T) {
	for name, want := range map[string]bool{
		".github/workflows/ci.yml": true, ".github/workflows/x.yaml": true, ".gitlab-ci.yml": true, ".gitlab/build.yml": true,
		"Makefile": true, "a/GNUmakefile": true, "mk/images.mk": true, "a/b.sh": true, "bin/build-all": true, "skaffold.yaml": true,
		".devcontainer/devcontainer.json": true, ".devcontainer/x/devcontainer.json": true,
		"ci.yml": false, "a/build-all": false, "README.md": false, "x.py": false,
	} {
		if Reads(name) != want {
			t.Errorf("%s: %t", name, !want)
		}
	}
	if len(Of("x.sh", []byte("#!/usr/bin/python3\ndocker build .\n")).Builds) > 0 {
		t.Error("a Python script is read")
	}
	if got := Of("build.sh", []byte("docker buildx bake -f a.hcl --file=b.hcl x\n")).Definitions; strings.Join(got, " ") != "a.hcl b.hcl" {
		t.Errorf("bake files %q", got)
	}
}

// FuzzOf reads any text as any of the files, and never panics, nor gives a path out of the
// tree.
func FuzzOf(f *testing.F) {
	names := []string{"ci/x.sh", "Makefile", ".github/workflows/x.yml", ".gitlab-ci.yml", "skaffold.yaml", ".devcontainer/devcontainer.json"}
	for _, text := range []string{
		"docker build -t x -f a/Dockerfile .", "all:\n\t@cd x && \\\n\tdocker build $(X) .", "jobs: {a: {steps: [{uses: docker/build-push-action@v6, with: {tags: a}}]}}",
		"a: {script: [docker build .]}", "build: {artifacts: [{image: x, requires: [{image: y}]}]}", `{"build": {"dockerfile": "x"}, /* */}`, "a: &a\n  docker: *a",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range names {
			for _, b := range Of(name, []byte(text)).Builds {
				if len(b.Dirs) == 0 || b.Dockerfile == "" || b.Where == "" {
					t.Errorf("%s: %+v", name, b)
				}
			}
		}
	})
}

// TestUnread: what only a run tells is told with the command that runs it.
func TestUnread(t *testing.T) {
	for _, tt := range []struct{ name, text, unread, run string }{
		{"build.sh", "x=1\nfor s in a b; do docker build -f docker/$s/Dockerfile .; done\n", "build.sh:2", "./build.sh"},
		{"ci/all.sh", "sed s/a/b/ Dockerfile | docker build -f - .\ndocker build $X\n", "ci/all.sh:1", "./ci/all.sh"},
		{"Makefile", "all:\n\tdocker build $(FLAGS) .\n", "Makefile:2", "make"},
		{"sub/Makefile", "all:\n\tdocker build -t a $(DIR)\n", "sub/Makefile:2", "make -C sub"},
		{"known.sh", "docker build -t $NAME .\ndocker run $X\ndocker images\n", "", ""},
		{".github/workflows/ci.yml", "jobs: {a: {steps: [{run: 'docker build $X'}]}}\n", "", ""},
	} {
		got := Of(tt.name, []byte(tt.text))
		if got.Unread != tt.unread || got.Run != tt.run {
			t.Errorf("%s: %q, %q", tt.name, got.Unread, got.Run)
		}
	}
}
