package main

import (
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/docker"
	"rebuild/docker/enginetest"
	"rebuild/docker/record"
	"rebuild/hooks"
	"rebuild/hooks/prepush"
)

var (
	traceRepos = flag.Int("trace.repos", 3, "random repositories to hold traces against plans of")
	traceEdits = flag.Int("trace.edits", 30, "random commits of each")
)

// TestTraceExact holds what traces let go against plans: random repositories, random
// commits, and pushes of one or several of them. A push that a trace lets go affects
// nothing.
func TestTraceExact(t *testing.T) {
	e := enginetest.Connect(t)
	seed := *oracleSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1_000_000_000
	}
	busybox := fmt.Sprintf("rebuild-trace/os:%x", rand.Uint64())
	enginetest.Busybox(t, e, busybox)
	var pushes, unaffected, let int
	for i := range *traceRepos {
		t.Run(fmt.Sprint(seed+uint64(i)), func(t *testing.T) {
			t.Logf("go test ./cmd/rebuild -run TestTraceExact -oracle.seed %d -trace.repos 1", seed+uint64(i))
			r := rand.New(rand.NewPCG(seed+uint64(i), 3))
			o := &oracle{engine: e, busybox: busybox}
			c := o.checkout(t)
			p := &pusher{engine: e, dir: c.dir, file: filepath.Join(t.TempDir(), "trace")}
			t.Chdir(c.dir) // as a hook
			now := generate(r, false)
			c.write(t, now)
			commits := []string{p.commit(t)}
			for range *traceEdits {
				kind := "other file"
				if r.IntN(3) == 0 { // most of a repository is read by no image
					name := filepath.Join(c.dir, "other", fmt.Sprint(r.IntN(4)))
					if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(name, fmt.Append(nil, r.Uint64()), 0o644); err != nil {
						t.Fatal(err)
					}
				} else {
					now, kind = change(r, now, edits)
					c.write(t, now)
				}
				commits = append(commits, p.commit(t))
				base := commits[len(commits)-2]
				if r.IntN(4) == 0 {
					base = commits[r.IntN(len(commits))] // several at once, or back again
				}
				push := prepush.Commit{Ref: "refs/heads/main", Base: base, ID: commits[len(commits)-1]}
				free := p.lets(t, push)
				rebuilds, err := p.check(t, push, r.IntN(2) == 0)
				pushes++
				switch {
				case free && err != nil:
					t.Fatalf("%s: let go, but the check says: %v", kind, err)
				case free && len(rebuilds) > 0:
					t.Fatalf("%s: let go, but affects %v\n%s", kind, rebuilds, story(nil, now))
				case err == nil && len(rebuilds) == 0:
					unaffected++
				}
				if free {
					let++
				}
			}
		})
	}
	t.Logf("%d pushes, %d affect nothing, %d were let go", pushes, unaffected, let)
	if pushes >= 1000 && let == 0 { // of a few it may be; the story untouched says which must be
		t.Error("no push was let go")
	}
}

// pusher makes commits and checks them as a hook does.
type pusher struct {
	engine *docker.Engine // nil: nobody asks one
	dir    string
	file   string // of the trace
}

func (p *pusher) commit(t *testing.T) string {
	t.Helper()
	git(t, p.dir, "add", "-A")
	git(t, p.dir, "-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "maintenance.auto=false", "-c", "gc.auto=0", "commit", "-q", "--allow-empty", "-m", "edit")
	head, err := os.ReadFile(filepath.Join(p.dir, ".git", "refs", "heads", headName(t, p.dir)))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(head))
}

func headName(t *testing.T, dir string) string {
	t.Helper()
	head, err := os.ReadFile(filepath.Join(dir, ".git", "HEAD"))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Base(strings.TrimSpace(string(head)))
}

func (p *pusher) lets(t *testing.T, c prepush.Commit) bool {
	t.Helper()
	return hooks.Allows(t.Context(), p.file, hooks.Push{Updates: []hooks.Update{{Local: c.ID, RemoteRef: c.Ref, Remote: c.Base}}})
}

// check gives what the plan of a push rebuilds, and with keep writes its trace.
func (p *pusher) check(t *testing.T, c prepush.Commit, keep bool) ([]string, error) {
	t.Helper()
	ctx := t.Context()
	sess, err := session.Open(ctx, session.Place{Dir: p.dir}, session.Remembered, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sess.Close()
	p.known(t, filepath.Join(sess.State, "records"))
	check := &pushCheck{pushOptions: &pushOptions{mode: "plan"}, p: terminal.New(io.Discard, io.Discard), query: session.Query{Slots: 1, All: true}, s: sess}
	if keep {
		check.trace = p.file
	}
	plan, err := sess.PlanOffline(ctx, check.of(c))
	if err != nil {
		return nil, err
	}
	p.age(t)
	check.keepTrace(ctx, plan)
	return plan.Plan.Rebuilds(), nil
}

// known makes the engine the one that was used last.
func (p *pusher) known(t *testing.T, records string) {
	t.Helper()
	if p.engine == nil {
		return
	}
	id, err := p.engine.ID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := record.UseEngine(records, id); err != nil {
		t.Fatal(err)
	}
}

// age makes files beside the commits old enough to be believed.
func (p *pusher) age(t *testing.T) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	for _, dir := range []string{"rebuild", "info"} {
		err := filepath.WalkDir(filepath.Join(p.dir, ".git", dir), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil
			}
			return os.Chtimes(name, old, old)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestTraceKept: there is a trace only of a check in which nothing but files had a
// part.
func TestTraceKept(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nonexistent")
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull) // the user's may convert
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	outside := t.TempDir()
	for name, tt := range map[string]struct {
		files map[string]string
		after []string // git commands
		kept  bool
	}{
		"files of the commits":         {kept: true},
		"a base that nobody knows":     {files: map[string]string{"Dockerfile": "FROM python:3.11\nCOPY a /\n"}},
		"a context elsewhere":          {files: map[string]string{"rebuild.yaml": "images:\n  app: {dockerfile: Dockerfile, contexts: {more: " + outside + "}}\n", "Dockerfile": "FROM scratch\nCOPY --from=more /x /\n"}},
		"a definition elsewhere":       {files: map[string]string{"rebuild.yaml": "", "compose.yaml": "include: [" + outside + "/compose.yaml]\n"}},
		"a Dockerfile that git alters": {files: map[string]string{".gitattributes": "Dockerfile eol=crlf\n"}},
		"a file that git alters":       {files: map[string]string{".gitattributes": "a eol=crlf\n"}, kept: true},
		"git alters all":               {after: []string{"config core.autocrlf true"}},
		"objects that git replaces":    {after: []string{"replace HEAD HEAD~"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"rebuild.yaml": "images:\n  app: {dockerfile: Dockerfile}\n", "Dockerfile": "FROM scratch\nCOPY a /\n", "a": "a\n"}
			maps.Copy(files, tt.files)
			if err := os.WriteFile(filepath.Join(outside, "compose.yaml"), []byte("services:\n  app: {build: .}\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			git(t, dir, "init", "-q")
			for name, text := range files {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			p := &pusher{dir: dir, file: filepath.Join(t.TempDir(), "trace")}
			base := p.commit(t)
			push := prepush.Commit{Ref: "refs/heads/main", Base: base, ID: p.commit(t)}
			for _, args := range tt.after {
				git(t, dir, strings.Fields(args)...)
			}
			t.Setenv("BUILDX_BAKE_ENTITLEMENTS_FS", "0") // what lies elsewhere needs no consent
			if _, err := p.check(t, push, true); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(p.file); (err == nil) != tt.kept {
				t.Errorf("a trace is kept: %v", err)
			}
		})
	}
}
