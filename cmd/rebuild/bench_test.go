package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"rebuild/cmd/rebuild/session"
	"rebuild/docker"
	"rebuild/docker/enginetest"
)

// The benchmarks time whole processes, in turn with what they are compared with,
// and report the ratio of the medians.

// example is a committed copy of the speech pipeline, with so many other files
// that no image reads.
func example(b testing.TB, others int) string {
	b.Helper()
	dir := b.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/speech-pipeline")); err != nil {
		b.Fatal(err)
	}
	for i := range others {
		name := filepath.Join(dir, "other", fmt.Sprint(i/200), fmt.Sprint(i))
		if i%200 == 0 {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.WriteFile(name, []byte(fmt.Sprint(i)), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	git(b, dir, "init", "-q", "-b", "main")
	git(b, dir, "add", ".")
	git(b, dir, "-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "maintenance.auto=false", "-c", "gc.auto=0", "commit", "-qm", "one")
	return dir
}

// command runs a program and gives how long it took.
func command(b *testing.B, dir, name string, args ...string) time.Duration {
	b.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out.Bytes())
	}
	return time.Since(begun)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// against times two things in turn and reports the ratio of their medians.
func against(b *testing.B, unit string, ours, theirs func() time.Duration) {
	b.Helper()
	var a, c []time.Duration
	ours()
	theirs()
	for b.Loop() {
		a, c = append(a, ours()), append(c, theirs())
	}
	ma, mc := median(a), median(c)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(ma.Microseconds())/1000, "ours-ms")
	b.ReportMetric(float64(mc.Microseconds())/1000, "theirs-ms")
	b.ReportMetric(float64(ma)/float64(mc), unit)
}

// BenchmarkPlanSince plans a branch of the example beside 20,000 other files,
// against git's own list of what changed.
func BenchmarkPlanSince(b *testing.B) {
	bin, dir := program(b), example(b, 20_000)
	b.Setenv("DOCKER_HOST", "unix:///nonexistent")
	if err := os.WriteFile(filepath.Join(dir, "shared", "log.sh"), []byte("edited\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	against(b, "of-git-diff",
		func() time.Duration { return command(b, dir, bin, "plan", "--since", "main") },
		func() time.Duration { return command(b, dir, "git", "diff", "--name-only", "main") })
}

// BenchmarkNothingToDo brings up to date what is, against bake doing the same. Of
// the example's images bake is given those that it can build on the engine here: an
// old engine's own frontend knows no heredocs.
func BenchmarkNothingToDo(b *testing.B) {
	buildx, err := exec.LookPath("buildx")
	if err != nil {
		b.Skip("no buildx on the PATH (make bench installs it)")
	}
	enginetest.Connect(b)
	bin, dir := program(b), example(b, 0)
	command(b, dir, bin, "--progress", "quiet")
	bake := []string{"bake", "--progress", "quiet"}
	for _, name := range bakeable(b, dir) {
		// Tags of its own: it gives the images other ids, which would be amiss for us.
		bake = append(bake, "--set", name+".tags=rebuild-bench/"+name, name)
	}
	against(b, "of-bake",
		func() time.Duration { return command(b, dir, bin) },
		func() time.Duration { return command(b, dir, buildx, bake...) })
}

// bakeable are the targets without heredocs.
func bakeable(b *testing.B, dir string) []string {
	b.Helper()
	var names []string
	for _, im := range planOf(b, "-C", dir).Images {
		if im.Name != "diarization-cuda" && !strings.HasSuffix(im.Name, "-cpu") || slices.Contains([]string{"base-cpu", "demux-cpu", "tmdb-cpu", "pre-ner-cpu", "post-ner-cpu", "subtitle-gen-cpu", "mux-cpu"}, im.Name) {
			names = append(names, im.Name)
		}
	}
	return names
}

// BenchmarkOneStage rebuilds one stage whose script changed, against the bare
// build of that image through BuildKit.
func BenchmarkOneStage(b *testing.B) {
	e := enginetest.Connect(b)
	dir := example(b, 0)
	bin := program(b)
	command(b, dir, bin, "--progress", "quiet")
	script := filepath.Join(dir, "stages", "tmdb.sh")
	edit := func() {
		if err := os.WriteFile(script, []byte(fmt.Sprintf("echo %d\n", time.Now().UnixNano())), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	bare := bareBuild(b, e, dir, "tmdb-cpu")
	against(b, "of-bare-solve",
		func() time.Duration { edit(); return command(b, dir, bin, "--progress", "quiet") },
		func() time.Duration { edit(); return bare() })
}

// bareBuild gives a function that builds one image and does nothing else.
func bareBuild(b *testing.B, e *docker.Engine, dir, name string) func() time.Duration {
	b.Helper()
	ctx := context.Background()
	s, err := session.Open(ctx, session.Place{Dir: dir}, session.Asked, session.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	p, err := s.PlanOnline(ctx, session.Query{Slots: 1})
	if err != nil {
		b.Fatal(err)
	}
	job, err := s.Job(ctx, p)
	if err != nil {
		b.Fatal(err)
	}
	return func() time.Duration {
		req, err := job.Request(ctx, name)
		if err != nil {
			b.Fatal(err)
		}
		begun := time.Now()
		if _, err := e.Build(ctx, req); err != nil {
			b.Fatal(err)
		}
		return time.Since(begun)
	}
}

// BenchmarkParallel runs a graph of images whose steps sleep, and reports the run's
// time over what no schedule can beat: the longest path, or the work that a slot has
// to do. What a build takes beside its steps counts as work of each image.
func BenchmarkParallel(b *testing.B) {
	e := enginetest.Connect(b)
	prefix := fmt.Sprintf("rebuild-parallel-%d", time.Now().UnixNano())
	enginetest.Busybox(b, e, prefix+"/os")
	dir, bin := b.TempDir(), program(b)
	const slots, images = 4, 12
	var def strings.Builder
	def.WriteString("images:\n")
	parents := []int{-1, -1, -1, 0, 0, 1, 1, 2, 3, 4, 8, 9}
	sleeps := []float64{1, 2, 3, 2, 4, 1, 3, 2, 3, 1, 2, 2}
	for i := range images {
		fmt.Fprintf(&def, "  i%d: {dockerfile: D%d, tags: [%s/i%d]}\n", i, i, prefix, i)
		enginetest.Cleanup(b, e, fmt.Sprintf("%s/i%d", prefix, i))
	}
	if err := os.WriteFile(filepath.Join(dir, "rebuild.yaml"), []byte(def.String()), 0o644); err != nil {
		b.Fatal(err)
	}
	git(b, dir, "init", "-q")
	run := 0
	write := func() {
		run++
		for i := range images {
			from := prefix + "/os"
			if parents[i] >= 0 {
				from = fmt.Sprintf("%s/i%d", prefix, parents[i])
			}
			text := fmt.Sprintf("FROM %s\nRUN sleep %g # %d\n", from, sleeps[i], run)
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("D%d", i)), []byte(text), 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	write()
	command(b, dir, bin, "--progress", "quiet", "-j", fmt.Sprint(slots)) // the history to schedule by
	var ratios []float64
	for b.Loop() {
		write()
		took := command(b, dir, bin, "--progress", "quiet", "-j", fmt.Sprint(slots)).Seconds()
		ratios = append(ratios, took/bound(parents, sleeps, slots))
	}
	slices.Sort(ratios)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ratios[len(ratios)/2], "of-bound")
}

// bound is max(longest path, work / slots), with a second beside each image's
// sleep: the export of new layers waits for the next full second on fuse-overlayfs.
func bound(parents []int, sleeps []float64, slots int) float64 {
	const beside = 1
	end := make([]float64, len(parents))
	work, path := 0.0, 0.0
	for i, p := range parents {
		end[i] = sleeps[i] + beside
		if p >= 0 {
			end[i] += end[p]
		}
		work += sleeps[i] + beside
		path = max(path, end[i])
	}
	return max(path, work/float64(slots))
}

// BenchmarkThousandImages plans 1,000 images, 10 bases and 99 on each.
func BenchmarkThousandImages(b *testing.B) {
	bin, dir := program(b), b.TempDir()
	b.Setenv("DOCKER_HOST", "unix:///nonexistent")
	var def strings.Builder
	def.WriteString("images:\n")
	for i := range 1000 {
		from, name := "python:3.11", fmt.Sprintf("i%d", i)
		if i >= 10 {
			from = fmt.Sprintf("corp/i%d", i%10)
		}
		fmt.Fprintf(&def, "  %s: {dockerfile: d/%s.Dockerfile, tags: [corp/%s]}\n", name, name, name)
		text := fmt.Sprintf("FROM %s\nWORKDIR /app\nCOPY shared/ shared/\nRUN make %d\nCOPY src/%d.py .\nCMD [\"x\"]\n", from, i, i)
		for path, content := range map[string]string{"d/" + name + ".Dockerfile": text, fmt.Sprintf("src/%d.py", i): "x", fmt.Sprintf("shared/%d", i): "x"} {
			file := filepath.Join(dir, path)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				b.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "rebuild.yaml"), []byte(def.String()), 0o644); err != nil {
		b.Fatal(err)
	}
	git(b, dir, "init", "-q", "-b", "main")
	git(b, dir, "add", ".")
	git(b, dir, "-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "maintenance.auto=false", "-c", "gc.auto=0", "commit", "-qm", "one")
	var took []time.Duration
	for b.Loop() {
		took = append(took, command(b, dir, bin, "plan", "--since", "main"))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(took).Seconds(), "s/plan")
}

// BenchmarkLargeContext plans one image that copies a context of 100,000 files,
// and reports the peak memory of the process.
func BenchmarkLargeContext(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("the peak is read as Linux gives it")
	}
	bin, dir := program(b), b.TempDir()
	b.Setenv("DOCKER_HOST", "unix:///nonexistent")
	for i := range 100_000 {
		name := filepath.Join(dir, "data", fmt.Sprint(i/500), fmt.Sprintf("a-file-with-a-usual-name-%d.txt", i))
		if i%500 == 0 {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.WriteFile(name, []byte(fmt.Sprint(i)), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for name, text := range map[string]string{"rebuild.yaml": "images:\n  a: {dockerfile: Dockerfile}\n", "Dockerfile": "FROM x\nCOPY data /data\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	git(b, dir, "init", "-q")
	var peak int64
	var first, warm time.Duration
	for b.Loop() {
		warm = command(b, dir, bin, "plan")
		if first == 0 {
			first = warm
		}
		peak = max(peak, peakMemory(b, dir, bin, "plan"))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(peak)/(1<<20), "MB-peak")
	b.ReportMetric(first.Seconds(), "s/first")
	b.ReportMetric(warm.Seconds(), "s/warm")
}

// BenchmarkListFound lists the images of 700 Dockerfiles without a definition, first with
// nothing remembered, then again.
func BenchmarkListFound(b *testing.B) {
	bin, dir := program(b), b.TempDir()
	b.Setenv("DOCKER_HOST", "unix:///nonexistent")
	for i := range 700 {
		name := []string{"deps", "runtime", "web", "sdk"}[i%4]
		rest := fmt.Sprintf("%d.0/%s/amd64", 8+i/4%5, fmt.Sprintf("system%d", i/20))
		at := filepath.Join(dir, "src", name, filepath.FromSlash(rest))
		text := "FROM alpine:3.22\nRUN true\nCOPY f /\n"
		if i%4 > 0 {
			parent := []string{"deps", "runtime", "web"}[i%4-1]
			text = fmt.Sprintf("ARG REPO=registry.example/app/%s\nFROM $REPO:%s\nENV A=1\nCOPY f /\nRUN true\n", parent, strings.ReplaceAll(rest, "/", "-"))
		}
		if err := os.MkdirAll(at, 0o755); err != nil {
			b.Fatal(err)
		}
		for file, text := range map[string]string{"Dockerfile": text, "f": "x"} {
			if err := os.WriteFile(filepath.Join(at, file), []byte(text), 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	git(b, dir, "init", "-q", "-b", "main")
	git(b, dir, "add", ".")
	git(b, dir, "-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "-qm", "one")
	used := func() float64 {
		cmd := exec.Command(bin, "list")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		return float64((cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Milliseconds())
	}
	first, warm := used(), 0.0
	runs := 0
	for b.Loop() {
		warm += used()
		runs++
	}
	b.ReportMetric(first, "first-cpu-ms")
	b.ReportMetric(warm/float64(runs), "warm-cpu-ms")
}
