package hooks

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository is one made by git itself, and the folder that the process runs in.
type repository struct{ t *testing.T }

func newRepository(t *testing.T) repository {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	t.Chdir(t.TempDir())
	r := repository{t}
	r.git("init", "-q", "-b", "main")
	for k, v := range map[string]string{"user.name": "a", "user.email": "a@localhost", "gc.auto": "0", "maintenance.auto": "false"} {
		r.git("config", k, v)
	}
	return r
}

func (r repository) git(args ...string) string {
	r.t.Helper()
	out, err := exec.Command("git", args...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit changes the tree as a shell says, and commits it.
func (r repository) commit(script string) string {
	r.t.Helper()
	if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
		r.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", "x")
	return r.git("rev-parse", "HEAD")
}

func update(from, to string) Push {
	return Push{Updates: []Update{{LocalRef: "refs/heads/main", Local: to, RemoteRef: "refs/heads/main", Remote: from}}}
}

// TestUntouched makes one change after a commit whose check listed the root and src,
// read all of src but what is below it, and one file and one link of other.
func TestUntouched(t *testing.T) {
	for name, tt := range map[string]struct {
		script string
		want   bool
	}{
		"nothing":                            {"true", true},
		"a file that was read":               {"echo x >> src/a", false},
		"one of a folder of which only some": {"echo x >> other/read", false},
		"a file that was not read":           {"echo x >> other/unread", true},
		"a file below":                       {"echo x >> src/sub/c", true},
		"a new file":                         {"echo x > other/new", true},
		"a new file in a listed folder":      {"echo x > src/new", false},
		"a new folder in a listed one":       {"mkdir -p src/new/deep; echo x > src/new/deep/f", false},
		"a new folder elsewhere":             {"mkdir other/new; echo x > other/new/f", true},
		"a file that went":                   {"rm src/a", false},
		"a file elsewhere that went":         {"rm other/unread", true},
		"a folder that went":                 {"rm -r src/sub", false},
		"a mode":                             {"chmod +x src/a", false},
		"a mode elsewhere":                   {"chmod +x other/unread", true},
		"a link that was read":               {"ln -sfn elsewhere other/link", false},
		"a file that became a link":          {"ln -sfn x src/a", false},
		"a folder that became a file":        {"rm -r src/sub; echo x > src/sub", false},
		"a name that only looks the same":    {"mv src/a src/A", false},
		"attributes of what was not read":    {"echo '* text=auto' > other/.gitattributes", false},
		"a submodule":                        {"git init -q src/mod; git -C src/mod -c user.name=a -c user.email=a@b commit -q --allow-empty -m x", false},
		"odd names elsewhere":                {"printf x > \"$(printf 'other/a\\nb\\tü\\377')\"", true},
		"an odd name that was read":          {"printf x > \"$(printf 'src/o\\nd\\377d')\"", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepository(t)
			from := r.commit("mkdir -p src/sub other; echo a > src/a; echo b > src/b; echo c > src/sub/c; echo r > other/read; echo u > other/unread; ln -s x other/link; printf y > \"$(printf 'src/o\\nd\\377d')\"")
			trace := &Trace{Commit: from, Folders: []string{".", "src"}, Whole: []string{"src"}, Files: []string{"other/link", "other/read"}, Conversions: Conversions(t.Context(), ".")}
			to := r.commit(tt.script)
			if got := trace.Untouched(t.Context(), update(from, to)); got != tt.want {
				t.Errorf("%s: untouched: %v", tt.script, got)
			}
			if got := trace.Untouched(t.Context(), update(to, from)); got != tt.want {
				t.Errorf("%s, back again: untouched: %v", tt.script, got)
			}
			// The same change on both sides is none for a push, but for the trace it is: what
			// was looked at may depend on it.
			more := r.commit("true")
			if got := trace.Untouched(t.Context(), update(to, more)); got != tt.want {
				t.Errorf("%s, on both sides: untouched: %v", tt.script, got)
			}
		})
	}
}

// TestUntouchedUnknown: what cannot be told is touched.
func TestUntouchedUnknown(t *testing.T) {
	r := newRepository(t)
	from := r.commit("echo a > a")
	to := r.commit("echo b > b")
	gone := strings.Repeat("1", 40)
	file := filepath.Join(t.TempDir(), "base.json")
	if err := os.WriteFile(file, []byte("one"), 0o644); err != nil {
		t.Fatal(err)
	}
	stamp, err := StampOf(file)
	if err != nil {
		t.Fatal(err)
	}
	none := Stamp{Path: filepath.Join(t.TempDir(), "none")}
	trace := func() *Trace {
		return &Trace{Commit: from, Folders: []string{"src"}, Conversions: Conversions(t.Context(), "."), Beside: []Stamp{stamp, none}}
	}
	r.git("tag", "-am", "x", "v1", to)
	tag := r.git("rev-parse", "v1")
	cases := map[string]struct {
		push   Push
		change func(*Trace)
		want   bool
	}{
		"known":                       {push: update(from, to), want: true},
		"several":                     {push: Push{Updates: append(update(from, to).Updates, update(to, from).Updates...)}, want: true},
		"deletes":                     {push: Push{Updates: append(update(from, to).Updates, Update{RemoteRef: "refs/heads/x", Local: Zero, Remote: gone})}, want: true},
		"one of several is unknown":   {push: Push{Updates: append(update(from, to).Updates, update(gone, to).Updates...)}},
		"the remote's commit unknown": {push: update(gone, to)},
		"a new branch":                {push: update(Zero, to)},
		"a tag":                       {push: Push{Updates: []Update{{Local: to, RemoteRef: "refs/tags/v1", Remote: from}}}},
		"a tag object":                {push: update(from, tag)},
		"a tree":                      {push: update(from, r.git("rev-parse", to+"^{tree}"))},
		"the trace's commit is gone":  {push: update(from, to), change: func(t *Trace) { t.Commit = gone }},
		"the trace's is no commit":    {push: update(from, to), change: func(t *Trace) { t.Commit = r.git("rev-parse", from+"^{tree}") }},
		"a file beside changed":       {push: update(from, to), change: func(t *Trace) { t.Beside[0].Digest = "x" }},
		"a file beside went":          {push: update(from, to), change: func(t *Trace) { t.Beside[1].Digest = "x" }},
		"a file beside came":          {push: update(from, to), change: func(t *Trace) { t.Beside[0].Digest = "" }},
		"git converts otherwise":      {push: update(from, to), change: func(t *Trace) { t.Conversions = digest([]byte("core.autocrlf\ntrue\x00")) }},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			tr := trace()
			if tt.change != nil {
				tt.change(tr)
			}
			if got := tr.Untouched(t.Context(), tt.push); got != tt.want {
				t.Errorf("untouched: %v", got)
			}
		})
	}
	before := Conversions(t.Context(), ".")
	r.git("config", "core.autocrlf", "true")
	if Conversions(t.Context(), ".") == before {
		t.Error("core.autocrlf makes no difference")
	}
	// What git shows in place of an object is not what is pushed.
	r.git("config", "--unset", "core.autocrlf")
	touching := r.commit("mkdir src; echo x > src/x")
	tr := trace()
	tr.Folders = []string{"."}
	r.git("replace", touching, from)
	if tr.Untouched(t.Context(), update(from, touching)) {
		t.Error("a replaced commit counts as what it is replaced with")
	}
}
