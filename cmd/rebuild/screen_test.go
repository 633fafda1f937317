package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/buildkit/client"
	digest "github.com/opencontainers/go-digest"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/rs/zerolog"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/cmd/rebuild/terminal/screentest"
	"rebuild/docker"
	"rebuild/docker/run"
	"rebuild/impact"
	"rebuild/watch/daemon"
)

// The golden screens are what a person sees in terminals of these widths. None of their
// lines was wrapped by the terminal, which fails the test.
var screenWidths = []int{80, 120, 200}

// screens draws one thing in terminals of several widths, and compares all that is seen.
func screens(t *testing.T, file string, draw func(t *testing.T, width int) string) {
	t.Helper()
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	var all strings.Builder
	for _, width := range screenWidths {
		fmt.Fprintf(&all, "%s %d columns\n%s", strings.Repeat("=", width-len(" 80 columns")), width, draw(t, width))
	}
	golden(t, filepath.Join("testdata", "screens", file+".golden"), all.String())
}

// screenRepo makes the repository of the screens, with one commit and an edit.
func screenRepo(t *testing.T) {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/screens/repo.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range archive.Files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"HOME": dir, "DOCKER_HOST": "unix:///nowhere/docker.sock", "GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_NOSYSTEM": "1",
		"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@localhost", "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
		"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@localhost", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
	} {
		t.Setenv(name, value)
	}
	t.Chdir(dir)
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "."}, {"commit", "-qm", "one"}} {
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	if err := os.WriteFile("shared/util.py", []byte("import os\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Each verb that answers from the repository, as one sees it.
func TestScreensOfVerbs(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"list":     {"list"},
		"graph":    {"graph"},
		"plan":     {"plan", "--since", "HEAD"},
		"plan-new": {"plan"},
		"why":      {"why", "--since", "HEAD"},
		"help":     {"list", "--help"}, // which depends on no machine
		"mistyped": {"plan", "--sinc", "main"},
	} {
		t.Run(name, func(t *testing.T) {
			screenRepo(t)
			repo, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(here)
			screens(t, name, func(t *testing.T, width int) string {
				s := screentest.New(t, width, 120)
				execute(t.Context(), append(slices.Clone(args), "-C", repo), s, s)
				return s.Text()
			})
		})
	}
}

// screenPlan is the plan of the runs on the screens.
func screenPlan() *impact.Plan {
	estimate := func(seconds float64) *float64 { return &seconds }
	layer := func(file string, line int, instruction string) impact.LayerPlan {
		return impact.LayerPlan{
			Index: 1, Dockerfile: file, Line: line, Instruction: instruction, Name: fmt.Sprintf("[%d] %s", line, instruction),
			Step: true, State: impact.Invalidated,
		}
	}
	image := func(name string, phase int, seconds float64, l impact.LayerPlan, parents ...string) impact.ImagePlan {
		reason := impact.Reason{Kind: impact.ReasonFile, Path: "shared/util.py"}
		if len(parents) > 0 {
			reason = impact.Reason{Kind: impact.ReasonParent, Image: parents[0]}
		}
		return impact.ImagePlan{
			Name: name, Phase: phase, Action: impact.Rebuild, Selected: true, Judged: true, Parents: parents,
			Reasons: []impact.Reason{reason}, Layers: []impact.LayerPlan{l}, Estimate: estimate(seconds),
		}
	}
	return &impact.Plan{
		Estimate: estimate(110),
		Phases: []impact.Phase{
			{Name: "Base images", Critical: true, Images: []string{"base-cuda", "base-ml-cuda"}},
			{Name: "CUDA stages", Images: []string{"asr-cuda", "second-pass-translation-cuda"}},
			{Name: "CPU fallbacks", Optional: true, Images: []string{"asr-cpu"}},
		},
		Images: []impact.ImagePlan{
			image("base-cuda", 0, 20, layer("docker/base-cuda/Dockerfile", 3, "RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-pip ffmpeg")),
			image("base-ml-cuda", 0, 50, layer("docker/base-ml-cuda/Dockerfile", 2, "RUN pip install --index-url https://download.pytorch.org/whl/cu121 torch==2.4.1"), "base-cuda"),
			image("asr-cuda", 1, 40, layer("docker/services/asr/Dockerfile", 3, "RUN pip install --no-cache-dir -r /opt/speech/requirements.txt"), "base-ml-cuda"),
			image("second-pass-translation-cuda", 1, 30, layer("docker/services/second-pass-translation/Dockerfile", 2, "RUN pip install --no-cache-dir transformers==4.44.2 sentencepiece==0.2.0"), "base-ml-cuda"),
			image("asr-cpu", 2, 15, layer("docker/services/asr/Dockerfile", 3, "RUN pip install --no-cache-dir -r /opt/speech/requirements.txt")),
		},
	}
}

// playedRun is a run that a test plays.
type playedRun struct {
	t      *testing.T
	screen *screentest.Screen
	plan   *impact.Plan
	seen   strings.Builder
	report run.Report
	shown  session.Shown
}

// look takes down what the screen shows.
func (r *playedRun) look(what string) {
	synctest.Wait()
	fmt.Fprintf(&r.seen, "-- %s\n%s", what, r.screen.Text())
}

// begin begins the build of an image, which runs its layer.
func (r *playedRun) begin(image string) *docker.StepLog {
	steps := docker.NewStepLog()
	r.shown.Observe(image, steps, nil)
	now := time.Now()
	name := r.plan.Image(image).Layers[0].Name
	steps.Write(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: digest.FromString(name), Name: name, Started: &now}}})
	return steps
}

func (r *playedRun) end(o run.Outcome) {
	r.report.Outcomes = append(r.report.Outcomes, o)
	r.shown.Observe(o.Image, nil, &o)
}

func built(image string, took time.Duration) run.Outcome {
	return run.Outcome{Image: image, Status: run.Built, Duration: took, Ran: 1, Predicted: 1, Result: &docker.Result{}}
}

// play shows a run that play carries out, until it or ctx ends, and says what it came to.
func play(t *testing.T, width int, mode string, act func(r *playedRun, cancel context.CancelFunc) error) string {
	var seen string
	synctest.Test(t, func(t *testing.T) {
		screen := screentest.New(t, width, 40)
		p := terminal.New(screen, screen)
		p.Color = false
		plan := screenPlan()
		r := &playedRun{t: t, screen: screen, plan: plan}
		view := &runView{
			p: p, mode: mode, plan: plan, tracker: run.NewTracker(plan, func(tasks []impact.Task) float64 { return impact.Makespan(tasks, 2) }),
			critical: func(image string) string {
				if strings.HasPrefix(image, "base") {
					return "Base images"
				}
				return ""
			},
			requiredBy: func(image string) ([]string, []impact.Phase) {
				if image != "base-ml-cuda" {
					return nil, nil
				}
				return []string{"asr-cuda", "second-pass-translation-cuda"}, []impact.Phase{{Name: "CPU fallbacks", Images: []string{"asr-cpu"}}}
			},
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		begun := time.Now()
		announce(p, plan)
		report, err := view.show(ctx, func(shown session.Shown) (*run.Report, error) {
			r.shown = shown
			return &r.report, act(r, cancel)
		})
		code := exit(ctx, p, conclude(ctx, p, plan, runEnd{report, err, time.Since(begun)}, false, false))
		r.look(fmt.Sprintf("at the end, with %d", code))
		seen = r.seen.String()
	})
	return seen
}

func TestScreensOfRun(t *testing.T) {
	screens(t, "run", func(t *testing.T, width int) string {
		return play(t, width, auto, func(r *playedRun, _ context.CancelFunc) error {
			r.begin("base-cuda")
			r.begin("asr-cpu")
			time.Sleep(3250 * time.Millisecond)
			r.look("two builds at once")
			time.Sleep(15 * time.Second)
			r.end(built("base-cuda", 18*time.Second))
			r.begin("base-ml-cuda")
			time.Sleep(150 * time.Millisecond)
			r.look("one has taken longer than was thought")
			r.end(built("asr-cpu", 19*time.Second))
			time.Sleep(51 * time.Second)
			r.look("nobody knows how long it will take")
			r.end(built("base-ml-cuda", 51*time.Second))
			r.begin("asr-cuda")
			r.begin("second-pass-translation-cuda")
			time.Sleep(10050 * time.Millisecond)
			r.look("the last two")
			time.Sleep(30 * time.Second)
			r.end(built("second-pass-translation-cuda", 40*time.Second))
			r.end(run.Outcome{Image: "asr-cuda", Status: run.CutOff})
			return nil
		})
	})
}

// fails is how base-ml-cuda does.
func fails() run.Outcome {
	return run.Outcome{Image: "base-ml-cuda", Status: run.Failed, Predicted: 1, Duration: 9 * time.Second, Err: &docker.BuildFailure{
		Image: "base-ml-cuda", Dockerfile: "docker/base-ml-cuda/Dockerfile", Line: 2,
		Step:    "[2] RUN pip install --index-url https://download.pytorch.org/whl/cu121 torch==2.4.1",
		LogFile: "/home/somebody/repositories/speech/.git/rebuild/records/ABCD:EFGH:IJKL:MNOP/logs/base-ml-cuda.log",
		LastLog: []string{
			"Looking in indexes: https://download.pytorch.org/whl/cu121",
			"ERROR: Could not find a version that satisfies the requirement torch==2.4.1 (from versions: 2.0.1, 2.1.0, 2.1.1, 2.1.2)",
			"\x1b[31mERROR: No matching distribution found for torch==2.4.1\x1b[0m",
		},
		Cause: errors.New(`process "/bin/sh -c pip install --index-url https://download.pytorch.org/whl/cu121 torch==2.4.1" did not complete successfully: exit code: 1`),
	}}
}

func TestScreensOfFailure(t *testing.T) {
	failing := func(mode string) func(t *testing.T, width int) string {
		return func(t *testing.T, width int) string {
			return play(t, width, mode, func(r *playedRun, _ context.CancelFunc) error {
				r.begin("base-cuda")
				r.begin("asr-cpu")
				time.Sleep(20050 * time.Millisecond)
				r.end(built("base-cuda", 20*time.Second))
				r.begin("base-ml-cuda")
				time.Sleep(9 * time.Second)
				r.end(fails())
				time.Sleep(150 * time.Millisecond)
				r.look("it is told when it happens")
				r.end(run.Outcome{Image: "asr-cpu", Status: run.Cancelled})
				for _, image := range []string{"asr-cuda", "second-pass-translation-cuda"} {
					r.end(run.Outcome{Image: image, Status: run.Skipped, Because: "base-ml-cuda"})
				}
				return nil
			})
		}
	}
	screens(t, "failure", failing(auto))
	screens(t, "failure-quiet", failing(quiet))
}

func TestScreensOfInterruption(t *testing.T) {
	screens(t, "interrupted", func(t *testing.T, width int) string {
		return play(t, width, auto, func(r *playedRun, cancel context.CancelFunc) error {
			r.begin("base-cuda")
			r.begin("asr-cpu")
			time.Sleep(20050 * time.Millisecond)
			r.end(built("base-cuda", 20*time.Second))
			r.begin("base-ml-cuda")
			time.Sleep(time.Second)
			cancel()
			time.Sleep(200 * time.Millisecond)
			r.look("it waits for the engine to stop")
			r.end(run.Outcome{Image: "base-ml-cuda", Status: run.Cancelled})
			r.end(run.Outcome{Image: "asr-cpu", Status: run.Cancelled})
			return context.Canceled
		})
	})
}

// What is piped is a line a fact, of any length.
func TestRunIsPiped(t *testing.T) {
	var out strings.Builder
	synctest.Test(t, func(t *testing.T) {
		p, plan := terminal.New(&out, &out), screenPlan()
		view := &runView{
			p: p, mode: auto, plan: plan, tracker: run.NewTracker(plan, func(tasks []impact.Task) float64 { return impact.Makespan(tasks, 2) }), critical: func(string) string { return "" },
			requiredBy: func(string) ([]string, []impact.Phase) { return nil, nil },
		}
		_, _ = view.show(t.Context(), func(shown session.Shown) (*run.Report, error) {
			r := &playedRun{t: t, plan: plan, shown: shown}
			r.begin("base-cuda")
			time.Sleep(20 * time.Second)
			r.end(built("base-cuda", 20*time.Second))
			r.begin("base-ml-cuda")
			r.end(fails())
			r.end(run.Outcome{Image: "asr-cuda", Status: run.Skipped, Because: "base-ml-cuda"})
			r.end(run.Outcome{Image: "asr-cpu", Status: run.CutOff})
			return &r.report, nil
		})
	})
	golden(t, "testdata/screens/piped.golden", out.String())
}

func TestScreensOfWatch(t *testing.T) {
	screens(t, "watch", func(t *testing.T, width int) string {
		var seen string
		synctest.Test(t, func(t *testing.T) {
			s := screentest.New(t, width, 24)
			live := terminal.NewLive(s)
			log := newWatchLog(zerolog.MultiLevelWriter(consoleLog(live, false)))
			zerolog.TimestampFunc = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
			defer func() { zerolog.TimestampFunc = time.Now }()
			f := fails()
			log.event(daemon.Failed{Image: "base-ml-cuda", Failure: f.Failure(screenPlan().Image("base-ml-cuda"))})
			log.event(daemon.Recovered{Image: "demux"})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				viewOn(terminal.New(io.Discard, io.Discard), live)(ctx, func(context.Context) (daemon.Status, bool) { return aStatus(), true })
			}()
			time.Sleep(150 * time.Millisecond)
			log.event(daemon.Building{Image: "second-pass-translation-cuda", Estimate: 30, Cause: daemon.CauseOf(screenPlan().Image("asr-cuda"))})
			synctest.Wait()
			seen = s.Text()
			cancel()
			<-done
		})
		return seen
	})
}

func TestScreensOfStatus(t *testing.T) {
	screens(t, "status", func(t *testing.T, width int) string {
		status := aStatus()
		now := status.Started.Add(time.Hour)
		built := now.Add(-time.Minute)
		status.Images[0].Built = &built
		status.Images = append(status.Images, daemon.ImageStatus{
			Name: "second-pass-translation-cuda", State: daemon.ImageFailed, Failure: &daemon.Failure{
				File: "docker/services/second-pass-translation/Dockerfile", Line: 2, What: "RUN pip install --no-cache-dir transformers==4.44.2 sentencepiece==0.2.0",
				Log: []string{"ERROR: Could not find a version that satisfies the requirement sentencepiece==0.2.0 (from versions: 0.1.1)"},
			},
		})
		s := screentest.New(t, width, 60)
		p := terminal.New(s, s)
		printStatus(p, status, now)
		return s.Text()
	})
}

// A run draws ten frames a second. Each is one write, of no more than the lines that
// changed.
func TestRunDoesNotFlicker(t *testing.T) {
	t.Setenv("TERM", "xterm")
	play(t, 80, auto, func(r *playedRun, _ context.CancelFunc) error {
		r.begin("base-cuda")
		r.begin("asr-cpu")
		time.Sleep(1050 * time.Millisecond)
		r.screen.Frames()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		frames := r.screen.Frames()
		if len(frames) < 5 || len(frames) > 50 {
			t.Errorf("%d frames in five seconds", len(frames))
		}
		for _, frame := range frames {
			if !strings.HasPrefix(frame, "\x1b[?2026h") || !strings.HasSuffix(frame, "\x1b[?2026l") || strings.Count(frame, "\x1b[K") > 5 || strings.Contains(frame, "\x1b[J") {
				t.Errorf("a frame is %q", frame)
			}
		}
		return nil
	})
}
