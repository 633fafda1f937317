package docker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
)

func TestStepLog(t *testing.T) {
	run, copied := digest.FromString("run"), digest.FromString("copy")
	l := NewStepLog()
	l.learn(nil)
	l.learn(&pb.Definition{
		Metadata: map[string]*pb.OpMetadata{run.String(): {Description: map[string]string{"llb.customname": "[mine 2/2] RUN x"}}},
		Source: &pb.Source{Locations: map[string]*pb.Locations{run.String(): {Locations: []*pb.Location{
			{Ranges: []*pb.Range{{Start: &pb.Position{Line: 7}, End: &pb.Position{Line: 9}}}},
		}}}},
	})
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ended := begun.Add(3 * time.Second)
	send := func(s *client.SolveStatus) { l.Write(l.named(s)) }
	foreign := &client.Vertex{Digest: run, Name: "[theirs 5/5] RUN x", Started: &begun}
	send(&client.SolveStatus{Vertexes: []*client.Vertex{foreign}})
	if foreign.Name != "[theirs 5/5] RUN x" {
		t.Error("what came in was changed")
	}
	for i := range 30 {
		send(&client.SolveStatus{Logs: []*client.VertexLog{{Vertex: run, Data: fmt.Appendf(nil, "line %d\r\n", i)}}})
	}
	send(&client.SolveStatus{Logs: []*client.VertexLog{{Vertex: run, Data: []byte("1%\r50%\r100%\nhalf")}, {Vertex: run, Data: []byte(" a line")}}})
	send(&client.SolveStatus{Vertexes: []*client.Vertex{
		{Digest: run, Name: "x", Started: &begun, Completed: &ended},
		{Digest: copied, Name: "[1/2] COPY a", Cached: true, Started: &begun, Completed: &begun},
	}})
	// Another solve of the same build finds the step in the cache.
	send(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: run, Name: "x", Cached: true, Started: &ended, Completed: &ended}}})

	steps := l.Steps()
	if len(steps) != 2 {
		t.Fatalf("%+v", steps)
	}
	s := steps[0]
	if s.Name != "[mine 2/2] RUN x" || s.Line != 7 || !s.Ran() || s.Duration() != 3*time.Second {
		t.Errorf("%+v", s)
	}
	if n := len(s.Tail); n != tailLines+1 || s.Tail[n-1] != "half a line" || s.Tail[n-2] != "100%" || s.Tail[n-3] != "line 29" {
		t.Errorf("tail %q", s.Tail)
	}
	if steps[1].Ran() || steps[1].Line != 0 {
		t.Errorf("%+v", steps[1])
	}
}

func TestFailedStep(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 1, 1, 0, 0, s, 0, time.UTC) }
	steps := []Step{
		{Name: "fine", Completed: at(1)},
		{Name: "pulled along", Completed: at(9), Error: "exit code: 137"},
		{Name: "cancelled", Completed: at(2), Error: "rpc error: context canceled"},
		{Name: "broke", Completed: at(3), Error: "exit code: 1"},
		{Name: "without end", Error: "x"},
	}
	if s, ok := failedStep(steps); !ok || s.Name != "broke" {
		t.Errorf("%+v", s)
	}
	if _, ok := failedStep(steps[:1]); ok {
		t.Error("nothing failed")
	}
}

func TestConfigDigest(t *testing.T) {
	config := func(text string) map[string][]byte { return map[string][]byte{"containerimage.config": []byte(text)} }
	a := configDigest(config(`{"created":"2026-01-01T00:00:00Z","config":{"Env":["A=1"]},"rootfs":{"diff_ids":["x"]},"history":[{"created":"2026-01-01T00:00:00Z","created_by":"RUN x"}]}`))
	same := configDigest(config(`{"history":[{"created_by":"RUN x","created":"2027-01-01T00:00:00Z"}],"config":{"Env":["A=1"]}}`))
	if a != same {
		t.Error("times, root filesystem or order count")
	}
	for _, other := range []string{
		`{"history":[{"created_by":"RUN y"}],"config":{"Env":["A=1"]}}`,
		`{"history":[{"created_by":"RUN x"}],"config":{"Env":["A=2"]}}`,
		`damaged`,
	} {
		if configDigest(config(other)) == a {
			t.Errorf("%s is the same", other)
		}
	}
	if configDigest(nil) != "" {
		t.Error("no config has a digest")
	}
}

func TestDefinitionFiles(t *testing.T) {
	for given, want := range map[string]string{"docker/asr/Dockerfile": "Dockerfile", "a/web.Dockerfile": "web.Dockerfile", "a/D[1]": "Dockerfile", "": "Dockerfile", "a/-x": "Dockerfile"} {
		req := &Request{DockerfileName: given, Dockerfile: []byte("FROM scratch"), Ignore: []byte(" \n")}
		files, name := definitionFS(req)
		var seen []string
		for file := range files {
			seen = append(seen, file)
		}
		slices.Sort(seen)
		if name != want || !slices.Equal(seen, []string{want, want + ".dockerignore"}) || len(strings.TrimSpace(string(files[want+".dockerignore"]))) == 0 {
			t.Errorf("%q: %q %q", given, name, seen)
		}
	}
	times := map[int64]bool{}
	for i := range 1000 {
		times[contentTime(fmt.Appendf(nil, "%d", i))] = true
	}
	if len(times) != 1000 {
		t.Errorf("%d times for 1000 contents", len(times))
	}
}
