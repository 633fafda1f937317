package run_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"rebuild/docker"
	"rebuild/docker/audit"
	"rebuild/docker/record"
	"rebuild/docker/run"
	"rebuild/impact"
)

// bed is a made-up repository with the double that builds it.
type bed struct {
	t       *testing.T
	double  *double
	records *record.Store
	log     *audit.Log

	names    []string          // parents before dependents
	files    map[string]string // image -> Dockerfile in the double's language
	phases   []impact.Phase    // as declared; an image that is in none is in the first
	faults   map[string]*impact.Fault
	settled  func(name string) (bool, error)
	request  func(name string) error
	change   func(*docker.Request)
	upToDate func(name string) bool
	costs    map[string]float64
	selected []string // nil: all

	outcomes []string // "image status", as observed
	errs     map[string]error
	journal  *run.Journal // of the last run
}

// newBed is a repository of these Dockerfiles: "name", text, "name", text, ...
func newBed(t *testing.T, files ...string) *bed {
	b := &bed{t: t, double: newDouble(), records: record.Open(memoryDir(t), "double"), files: map[string]string{}, faults: map[string]*impact.Fault{}}
	b.log = audit.OpenLog(b.records.AuditFile())
	for i := 0; i < len(files); i += 2 {
		b.names = append(b.names, files[i])
		b.files[files[i]] = files[i+1]
	}
	return b
}

// memoryDir is a folder for the length of the test, in memory where there is one: each
// file that a run replaces waits for the disk.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "rebuild-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// parents are the images that a Dockerfile names, and whether it takes files alone.
func parents(text string) map[string]bool {
	found := map[string]bool{}
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 1 {
			switch words[0] {
			case "FROM":
				found[words[1]] = false
			case "FILES":
				if _, ok := found[words[1]]; !ok {
					found[words[1]] = true
				}
			}
		}
	}
	return found
}

// snapshot is the state of each image.
func (b *bed) snapshot() *impact.Snapshot {
	s := &impact.Snapshot{States: map[string]*impact.State{}, Order: b.names}
	s.Catalog.Phases = b.phases
	for _, name := range b.names {
		s.Catalog.Images = append(s.Catalog.Images, impact.Image{Name: name, Refs: []string{refOf(name)}, IgnoreArgs: []string{"SHA"}})
		st := &impact.State{Name: name, Err: b.faults[name]}
		st.Def.Text = impact.DigestOf("text", b.files[name])
		key, config := impact.Digest(""), []string{}
		lines := strings.Split(strings.TrimSpace(b.files[name]), "\n")
		for i, line := range lines {
			words := strings.Fields(line)
			l := impact.StateLayer{Instruction: line, Line: i + 1, Stage: "stage-0", File: name, Name: stepName(i, len(lines), line)}
			switch words[0] {
			case "FROM", "FILES":
				l.From = refOf(words[1])
				parent := s.States[words[1]]
				if parent == nil { // from outside of the repository
					parent = &impact.State{Output: impact.DigestOf("external", words[1])}
					st.Bases = append(st.Bases, impact.ExternalRef{Ref: l.From, Known: true})
				}
				key = impact.DigestOf("layer", string(key), string(parent.Output))
				if words[0] == "FROM" {
					config = append(config, string(parent.Config))
				}
			case "ENV":
				config = append(config, line)
				continue
			default:
				key = impact.DigestOf("layer", string(key), line)
			}
			if n := len(st.Layers); n > 0 {
				l.Inputs = []int{n - 1}
			} else if l.From == "" { // a step that takes nothing runs each time
				l.Reads = []impact.StateRead{{Selection: impact.Selection{Context: "."}}}
			}
			l.Op, l.Key, l.OwnKey = key, key, key
			st.Layers = append(st.Layers, l)
		}
		st.Output, st.Config = key, impact.DigestOf("config", config...)
		files := parents(b.files[name])
		for _, p := range slices.Sorted(maps.Keys(files)) {
			if s.States[p] == nil {
				continue
			}
			st.Parents = append(st.Parents, impact.Parent{Image: p, Ref: refOf(p), FilesOnly: files[p]})
		}
		s.States[name] = st
	}
	return s
}

// job plans what is to be built now, against the records, as impact does.
func (b *bed) job() run.Job {
	b.t.Helper()
	records, warnings := b.records.LoadAll(b.names)
	if len(warnings) > 0 {
		b.t.Fatal(warnings)
	}
	return b.plan(records)
}

// plan is job for these records.
func (b *bed) plan(records map[string]*record.Record) run.Job {
	b.t.Helper()
	made := time.Now()
	images, err := b.double.Images(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	s := b.snapshot()
	plan := &impact.Plan{}
	rebuilt := map[string]bool{}
	for _, name := range b.names {
		st, rec := s.States[name], records[name]
		ip := impact.ImagePlan{Name: name, Action: impact.Keep, Phase: b.phase(name), Parents: s.ParentsOf(name), Err: st.Err}
		ip.Selected = b.selected == nil || slices.Contains(b.selected, name)
		reason := func(kind impact.ReasonKind, image string) {
			ip.Reasons = append(ip.Reasons, impact.Reason{Kind: kind, Image: image})
		}
		switch {
		case rec == nil || rec.ImageID == "":
			reason(impact.ReasonNew, "")
		case images.Known() && images.ID(refOf(name)) != rec.ImageID:
			reason(impact.ReasonMissing, "")
		case rec.State == nil || rec.State.Def.Text != st.Def.Text:
			reason(impact.ReasonFile, "")
		case rec.Failed && rec.FailedState == record.StateDigest(st):
			reason(impact.ReasonFailed, "")
		default:
			for _, p := range st.Parents {
				if rebuilt[p.Image] || records[p.Image] == nil || records[p.Image].OutputFor(p) != rec.Parents[p.Image] {
					reason(impact.ReasonParent, p.Image)
				}
			}
			if len(ip.Reasons) == 0 && !rec.IsOf(st) && len(st.Parents) > 0 {
				reason(impact.ReasonParent, st.Parents[0].Image)
			}
		}
		had := map[impact.Digest]bool{}
		if rec != nil && rec.State != nil {
			for _, l := range rec.State.Layers {
				had[l.Key] = true
			}
		}
		for i, l := range st.Layers {
			lp := impact.LayerPlan{Index: i + 1, Name: l.Name, Line: l.Line, Instruction: l.Instruction, State: impact.Invalidated, Step: l.From == ""}
			if had[l.Key] {
				lp.State = impact.Cached
			}
			ip.Layers = append(ip.Layers, lp)
		}
		if len(ip.Reasons) > 0 {
			ip.Action = impact.Rebuild
			rebuilt[name] = ip.Selected
		}
		plan.Images = append(plan.Images, ip)
	}
	for i, ph := range b.phases {
		ph.Images = slices.DeleteFunc(slices.Clone(ph.Images), func(name string) bool {
			ip := plan.Image(name)
			return ip == nil || ip.Action != impact.Rebuild || !ip.Selected || ip.Phase != i
		})
		if len(ph.Images) > 0 {
			plan.Phases = append(plan.Phases, ph)
		}
	}
	files := maps.Clone(b.files)
	j := run.Job{Plan: plan, Images: images, Made: made, States: s, UpToDate: b.upToDate, Costs: b.costs}
	j.Request = func(_ context.Context, name string) (docker.Request, error) {
		im, _ := s.Catalog.Image(name)
		req := docker.Request{Image: im, Dockerfile: []byte(files[name]), Refs: im.Refs}
		if b.change != nil {
			b.change(&req)
		}
		if b.request != nil {
			return req, b.request(name)
		}
		return req, nil
	}
	if b.settled != nil {
		j.Settled = func(_ context.Context, name string, _ time.Time) (bool, error) { return b.settled(name) }
	}
	return j
}

func (b *bed) phase(name string) int {
	for i, ph := range b.phases {
		if slices.Contains(ph.Images, name) {
			return i
		}
	}
	return 0
}

// run carries a job out, as changes say.
func (b *bed) run(ctx context.Context, j run.Job, changes ...func(*run.Run)) (*run.Report, error) {
	b.t.Helper()
	var warning string
	b.journal, warning = run.OpenJournal(b.records.JournalFile())
	b.outcomes, b.errs, b.double.most = nil, map[string]error{}, 0
	r := run.Run{Job: j, Builder: b.double, Records: b.records, Journal: b.journal, AuditLog: b.log, Slots: 2}
	for _, change := range changes {
		change(&r)
	}
	if r.Journal == b.journal && warning != "" {
		b.t.Error(warning)
	}
	next := r.Observe
	r.Observe = func(image string, steps *docker.StepLog, o *run.Outcome) {
		if (steps == nil) == (o == nil) {
			b.t.Errorf("%s: observed with steps %v and outcome %v", image, steps, o)
		}
		if o != nil {
			b.outcomes = append(b.outcomes, image+" "+string(o.Status))
			b.errs[image] = o.Err
		}
		if next != nil {
			next(image, steps, o)
		}
	}
	report, err := r.Do(ctx)
	if len(report.Outcomes) != len(b.outcomes) {
		b.t.Errorf("%d outcomes are reported, %d observed", len(report.Outcomes), len(b.outcomes))
	}
	for _, n := range b.double.active {
		if n > 0 {
			b.t.Error("a build was left behind")
		}
	}
	if b.double.twice {
		b.t.Error("an image was built twice at once")
	}
	if b.double.most > max(r.Slots, 1)*max(len(j.Builders), 1) {
		b.t.Errorf("%d builds at once, with %d slots", b.double.most, r.Slots)
	}
	return report, err
}

// bring runs to the end, without fault.
func (b *bed) bring(changes ...func(*run.Run)) *run.Report {
	b.t.Helper()
	report, err := b.run(b.t.Context(), b.job(), changes...)
	if err != nil {
		b.t.Fatal(err)
	}
	if len(report.Warnings) > 0 {
		b.t.Errorf("warnings %q", report.Warnings)
	}
	return report
}

// expect are the outcomes observed, in order.
func (b *bed) expect(outcomes ...string) {
	b.t.Helper()
	if !slices.Equal(b.outcomes, outcomes) {
		b.t.Errorf("outcomes %q, want %q", b.outcomes, outcomes)
	}
}

// current holds the records and the store against the Dockerfiles: each image is what
// a build of everything, parents first, would make.
func (b *bed) current(names ...string) {
	b.t.Helper()
	s := b.snapshot()
	for _, name := range names {
		rec, warning := b.records.Load(name)
		if rec == nil {
			b.t.Errorf("%s has no record %s", name, warning)
			continue
		}
		if !rec.IsOf(s.States[name]) || rec.Failed {
			b.t.Errorf("the record of %s is not that of its state", name)
		}
		var chain []string
		for line := range strings.Lines(b.files[name]) {
			switch words := strings.Fields(line); words[0] {
			case "FROM", "FILES":
				if parent, _ := b.records.Load(words[1]); parent != nil {
					chain = append(chain, parent.Chain...)
				}
			case "RUN":
				chain = append(chain, effect(words[1]))
			}
		}
		same := func(made, want string) bool { // a random step adds its number
			word, _, _ := strings.Cut(made, " ")
			return made == want || word == want
		}
		if !slices.EqualFunc(rec.Chain, chain, func(a, b string) bool { return same(a, b) }) {
			b.t.Errorf("%s is %q, want %q", name, rec.Chain, chain)
		}
		if id := b.double.refs[refOf(name)]; id != rec.ImageID {
			b.t.Errorf("%s is tagged %s, its record says %s", name, id, rec.ImageID)
		}
	}
}

// steps are those that ran since the last call, not from the cache: "image: step".
func (b *bed) steps() []string {
	var list []string
	for _, s := range b.double.runs {
		for _, step := range s.steps {
			list = append(list, fmt.Sprintf("%s: %s", s.image, step))
		}
	}
	b.double.runs = nil
	return list
}
