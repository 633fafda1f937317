package docker_test

import (
	"context"
	"net"
	"testing"
	"time"

	dockerclient "github.com/docker/docker/client"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/frontend/dockerfile/builder"
	"github.com/tonistiigi/fsutil"

	"rebuild/docker"
	"rebuild/docker/enginetest"
)

// What a run pays that has nothing to do.
func BenchmarkConnectAndImages(b *testing.B) {
	enginetest.Connect(b)
	for b.Loop() {
		e, err := docker.Connect(b.Context(), docker.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := e.ID(b.Context()); err != nil {
			b.Fatal(err)
		}
		if _, err := e.Images(b.Context()); err != nil {
			b.Fatal(err)
		}
		_ = e.Close()
	}
}

// A cached build, against BuildKit's bare solve of the same: the metric x is the
// ratio.
func BenchmarkCachedBuild(b *testing.B) {
	e := enginetest.WithBase(b)
	files := enginetest.Files{"a": {Data: []byte(enginetest.Unique())}}
	req := enginetest.Request(b, "bench", "COPY a /a\nRUN echo "+enginetest.Unique()+"\nRUN echo two\n", files)
	enginetest.MustBuild(b, e, req)

	api, err := dockerclient.NewClientWithOpts(dockerclient.FromEnv, dockerclient.WithAPIVersionNegotiation())
	if err != nil {
		b.Fatal(err)
	}
	bk, err := client.New(b.Context(), "",
		client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return api.DialHijack(ctx, "/grpc", "h2c", nil)
		}),
		client.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return api.DialHijack(ctx, "/session", proto, meta)
		}))
	if err != nil {
		b.Fatal(err)
	}
	bare := func() {
		_, err := bk.Build(b.Context(), client.SolveOpt{
			Exports:   []client.ExportEntry{{Type: "moby", Attrs: map[string]string{"name": req.Refs[0]}}},
			SharedKey: "bare " + req.Context.Key,
			LocalMounts: map[string]fsutil.FS{
				"context":    files,
				"dockerfile": enginetest.Files{"Dockerfile": {Data: req.Dockerfile}},
			},
			FrontendAttrs: map[string]string{"cmdline": "x", "image-resolve-mode": "local"},
		}, "", builder.Build, nil)
		if err != nil {
			b.Fatal(err)
		}
	}
	bare()
	var bareTime, ours time.Duration
	for b.Loop() {
		begun := time.Now()
		bare()
		middle := time.Now()
		if _, err := e.Build(b.Context(), req); err != nil {
			b.Fatal(err)
		}
		bareTime += middle.Sub(begun)
		ours += time.Since(middle)
	}
	b.ReportMetric(float64(bareTime.Milliseconds())/float64(b.N), "bare-ms/op")
	b.ReportMetric(float64(ours.Milliseconds())/float64(b.N), "ours-ms/op")
	b.ReportMetric(float64(ours)/float64(bareTime), "x")
}
