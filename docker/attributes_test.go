package docker

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/docker/cli/cli/config/configfile"
	engineapi "github.com/docker/docker/client"
	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/fsutil"

	"rebuild/impact"
)

func TestFrontendAttrs(t *testing.T) {
	tests := []struct {
		name string
		req  Request
		want string // "k=v" that differ from those of an empty image, sorted
		err  string
	}{
		{name: "empty"},
		{name: "all", req: Request{NoCache: true, Pull: true, Image: impact.Image{
			Args: map[string]string{"A": "1"}, Labels: map[string]string{"l": "2"}, Target: "t", Platforms: []string{"linux/amd64", "linux/arm64"},
			NoCacheFor: []string{"s"}, Network: "host", ExtraHosts: map[string]string{"b": "1.2.3.4,[::1]", "a": "host-gateway"}, ShmSize: "1k",
			Ulimits: []string{"nofile=10:20"},
		}}, want: "add-hosts=a=9.9.9.9,b=1.2.3.4,b=::1 build-arg:A=1 force-network-mode=host image-resolve-mode=pull label:l=2 no-cache= platform=linux/amd64,linux/arm64 shm-size=1024 target=t ulimit=nofile=10:20"},
		{name: "around the image", req: Request{Image: impact.Image{
			Attest: []string{"type=provenance,mode=max", "type=sbom"}, Resources: map[string]string{"memory": "1024"}, Args: map[string]string{"BUILDKIT_MULTI_PLATFORM": "true"},
		}}, want: "attest:provenance=type=provenance,mode=max attest:sbom=type=sbom build-arg:BUILDKIT_MULTI_PLATFORM=true memory=1024 multi-platform=true"},
		{name: "attest", req: Request{Image: impact.Image{Attest: []string{"mode=max"}}}, err: "attest"},
		{name: "no cache for stages", req: Request{Image: impact.Image{NoCacheFor: []string{"a", "b"}, Network: "default"}}, want: "no-cache=a,b"},
		{name: "ulimit", req: Request{Image: impact.Image{Ulimits: []string{"x"}}}, err: `ulimit "x"`},
		{name: "shm", req: Request{Image: impact.Image{ShmSize: "much"}}, err: "shm-size"},
		{name: "host", req: Request{Image: impact.Image{ExtraHosts: map[string]string{"a": "b"}}}, err: `extra host a: "b" is no ip address`},
		{name: "network", req: Request{Image: impact.Image{Network: "mynet"}}, err: `network "mynet"`},
	}
	empty, err := frontendAttrs(&Request{}, nil)
	if err != nil || empty["cmdline"] == "" {
		t.Fatalf("%v %v", empty, err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := frontendAttrs(&tt.req, func() (string, error) { return "9.9.9.9", nil })
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var list []string
			for _, k := range slices.Sorted(maps.Keys(got)) {
				if v, ok := empty[k]; !ok || v != got[k] {
					list = append(list, k+"="+got[k])
				}
			}
			if text := strings.Join(list, " "); text != tt.want {
				t.Errorf("got  %s\nwant %s", text, tt.want)
			}
		})
	}
	if got, _ := frontendAttrs(&Request{Frontend: "corp/frontend"}, nil); got["cmdline"] != "" {
		t.Error("a third-party frontend is not followed")
	}
	if _, err := frontendAttrs(&Request{Image: impact.Image{ExtraHosts: map[string]string{"a": "host-gateway"}}}, func() (string, error) { return "", errors.New("unknown") }); err == nil {
		t.Error("an unknown host-gateway is no error")
	}
}

// contexts gives the solve options of a request as Build fills them in, and the folders that
// it reads.
func contexts(ctx context.Context, req *Request) (client.SolveOpt, map[string]fsutil.FS, error) {
	b := &build{engine: &Engine{api: &engineapi.Client{}, config: &configfile.ConfigFile{}}, req: req, manifestStore: true}
	so, err := b.solveOpt(ctx)
	return so, b.mounts, err
}

func TestContexts(t *testing.T) {
	so, mounts, err := contexts(t.Context(), &Request{
		Image: impact.Image{RemoteContext: "https://x/y.git#v1", Dockerfile: "sub/Dockerfile", Contexts: []impact.NamedContext{
			{Name: "docker.io/library/alpine:latest", Image: "a"}, {Name: "src", URL: "https://x/z.git"}, {Name: "dir", Dir: "d"},
		}},
		Context: Source{Key: "c"},
		Parents: map[string]string{"a": "docker.io/library/a:1"},
		Named:   map[string]Source{"dir": {Key: "k"}},
	})
	if err != nil || len(mounts) != 1 || so.SharedKey != "c" {
		t.Errorf("%v %v", err, mounts)
	}
	for k, v := range map[string]string{
		"context": "https://x/y.git#v1", "filename": "sub/Dockerfile",
		"context:alpine": "docker-image://docker.io/library/a:1", "context:src": "https://x/z.git",
		"context:dir": "local:named-2", "sharedkey:localdir:dir": "k",
	} {
		if so.FrontendAttrs[k] != v {
			t.Errorf("%s is %q, want %q", k, so.FrontendAttrs[k], v)
		}
	}
	so, mounts, err = contexts(t.Context(), &Request{
		Image:      impact.Image{RemoteContext: "https://x/y.git", Dockerfile: "x/c.Dockerfile", LocalDockerfile: true},
		Dockerfile: []byte("FROM scratch"), DockerfileName: "x/c.Dockerfile",
	})
	if a := so.FrontendAttrs; err != nil || a["dockerfilekey"] != "dockerfile" || a["filename"] != "c.Dockerfile" || a["context"] == "" || len(mounts) != 1 {
		t.Errorf("a Dockerfile that is here: %v %+v", err, so)
	}
	so, mounts, err = contexts(t.Context(), &Request{Dockerfile: []byte("FROM scratch"), DockerfileName: "x/Dockerfile", Context: Source{Key: "k"}})
	if err != nil || so.SharedKey != "k" || len(mounts) != 2 {
		t.Errorf("%v %+v %v", err, so, mounts)
	}
	for _, nc := range []impact.NamedContext{{Name: "UP", Dir: "x"}, {Name: "l", URL: "oci-layout:///nonexistent"}, {Name: "i", Image: "none"}} {
		if _, _, err := contexts(t.Context(), &Request{Image: impact.Image{Contexts: []impact.NamedContext{nc}}}); err == nil || !strings.Contains(err.Error(), nc.Name) {
			t.Errorf("%+v: %v", nc, err)
		}
	}
}

func TestCaches(t *testing.T) {
	for _, name := range []string{"ACTIONS_RUNTIME_TOKEN", "ACTIONS_CACHE_URL", "ACTIONS_RESULTS_URL", "ACTIONS_CACHE_SERVICE_V2"} {
		t.Setenv(name, "")
	}
	req := &Request{Root: "/root", Image: impact.Image{
		CacheFrom: []string{"user/app:cache", "type=local,src=c", "type=gha"}, CacheTo: []string{"type=registry,ref=x", "type=inline"},
		Args: map[string]string{"BUILDKIT_INLINE_CACHE": "0"},
	}}
	from, to, warnings, err := caches(req, false)
	if err != nil || len(from) != 2 || len(to) != 1 || len(warnings) != 2 || from[0].Attrs["ref"] != "user/app:cache" || !strings.HasSuffix(from[1].Attrs["src"], "c") || from[1].Attrs["src"] == "c" {
		t.Errorf("%v %v %q %v", from, to, warnings, err)
	}
	// outside of GitHub's runners, and inside
	from, to, warnings, err = caches(req, true)
	if err != nil || len(from) != 2 || len(to) != 2 || len(warnings) != 1 || !strings.Contains(warnings[0], "type=gha") {
		t.Errorf("%v %v %q %v", from, to, warnings, err)
	}
	t.Setenv("ACTIONS_RUNTIME_TOKEN", "word")
	t.Setenv("ACTIONS_CACHE_URL", "http://127.0.0.1/")
	from, _, warnings, err = caches(req, true)
	if err != nil || len(from) != 3 || from[2].Attrs["token"] != "word" || len(warnings) != 0 {
		t.Errorf("%v %q %v", from, warnings, err)
	}
	req.Image.CacheTo = []string{"dest=x"}
	if _, _, _, err := caches(req, true); err == nil || !strings.Contains(err.Error(), "cache-to") {
		t.Errorf("error %v", err)
	}
}
