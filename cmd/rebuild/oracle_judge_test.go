package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/docker"
	"rebuild/docker/record"
	"rebuild/docker/run"
	"rebuild/impact"
)

// judge holds the plans of one repository against what BuildKit does.
type judge struct {
	dir     string
	builder string // address of a buildkitd that judges, "" for the engine

	// Of all states so far, since the engine's cache has them.
	seen    map[impact.Digest]bool // keys of layers
	ownKeys map[impact.Digest]bool // the same without what is only copied
}

// builders is builder as a session takes it.
func (j *judge) builders() []string {
	if j.builder == "" {
		return nil
	}
	return []string{j.builder}
}

func newJudge(dir string) *judge {
	return &judge{dir: dir, seen: map[impact.Digest]bool{}, ownKeys: map[impact.Digest]bool{}}
}

// verdict is what BuildKit says of one plan.
type verdict struct {
	images []imageVerdict
	errs   string // what the run printed
}

// imageVerdict compares one image's plan with its build.
type imageVerdict struct {
	plan    *impact.ImagePlan
	layers  []layerVerdict
	failed  error // of its build
	changed bool  // another root filesystem or config than before
	misses  []miss

	unrepeated bool // built once more from the same state, it is another image
}

// layerVerdict compares what was predicted of a layer with what was done.
type layerVerdict struct {
	*impact.LayerPlan
	ran           bool
	notComparable string // why no plan can tell, "" when it can
}

// miss is a decision that BuildKit contradicts.
type miss struct{ kind, what string }

// Kinds of misses. The first three make a plan unsound.
const (
	falseCached       = "false cached"            // predicted cached, and executed
	falseKept         = "false kept"              // kept, and a build gives another image
	errorNotPredicted = "error not predicted"     // planned, and no build succeeds
	falseInvalidated  = "false invalidated"       // predicted invalidated, and found in the cache
	falseRebuilt      = "rebuilt for nothing"     // a build executes nothing and gives the same image
	errorNotFound     = "error predicted wrongly" // a build succeeds
	falseAlarm        = "false alarm"             // a miss that the run's own audit sees, and no second build does
)

func (v *verdict) misses() []miss {
	var all []miss
	for _, im := range v.images {
		all = append(all, im.misses...)
	}
	return all
}

func (v *verdict) image(name string) *imageVerdict {
	for i := range v.images {
		if v.images[i].plan.Name == name {
			return &v.images[i]
		}
	}
	return nil
}

// judgeNow brings the images up to date as a user would, then builds everything
// as if nothing were known, and compares both with the plan. What a plan keeps must
// come out of the second build untouched.
func (j *judge) judgeNow(ctx context.Context) (*verdict, error) {
	records := filepath.Join(j.dir, ".git", "rebuild", "records")
	var errs bytes.Buffer
	first, report, err := j.bring(ctx, &errs, true)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(records, records+".kept"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	_, all, err := j.bring(ctx, &errs, false)
	if err == nil {
		err = errors.Join(os.RemoveAll(records), os.Rename(records+".kept", records))
	}
	if err == nil {
		err = adopt(openRecords(records), all)
	}
	if err != nil {
		return nil, err
	}
	v := &verdict{errs: errs.String()}
	j.compare(v, first, report, all)
	v.holdAudit(report)
	for _, st := range first.Target.States {
		for _, l := range st.Layers {
			j.seen[l.Key], j.ownKeys[l.OwnKey] = true, true
		}
	}
	return v, nil
}

// adopt has the records name the images that the second build left under the tags. Where
// the engine does not find the very result of the first build again, a build of the same
// state is the same image with other times in it, and has another id.
func adopt(store *record.Store, all *run.Report) error {
	for _, o := range all.Outcomes {
		rec, _ := store.Load(o.Image) // one that is damaged belongs to the story
		if rec == nil || o.Result == nil || rec.ImageID == o.Result.ImageID ||
			rec.Config != o.Result.Config || !slices.Equal(rec.Chain, o.Result.Chain) {
			continue
		}
		rec.ImageID = o.Result.ImageID
		if err := store.Save(rec); err != nil {
			return err
		}
	}
	return nil
}

// bring is "rebuild --all" in this process. Without belief, images that are said
// to be broken are built too.
func (j *judge) bring(ctx context.Context, errs *bytes.Buffer, belief bool) (*session.Planned, *run.Report, error) {
	v := terminal.New(&bytes.Buffer{}, errs)
	s, err := session.Open(ctx, session.Place{Dir: j.dir, Builders: j.builders(), Load: docker.NoLoad}, session.Asked, session.Options{Warn: v.WarnText})
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	p, err := s.PlanOnline(ctx, session.Query{All: true, Slots: 4})
	if err != nil {
		return nil, nil, err
	}
	if err := p.Save(); err != nil {
		return nil, nil, err
	}
	if belief && len(p.Plan.Phases) == 0 {
		return p, &run.Report{}, nil
	}
	if !belief {
		for i := range p.Plan.Images {
			p.Plan.Images[i].Err = nil
		}
	}
	// A build that begins within a tick of the clock of files after an edit may have read what
	// was there before, so that it leaves no record.
	tick := time.NewTimer(20 * time.Millisecond)
	<-tick.C
	report, err := s.Run(ctx, p, session.Shown{})
	return p, report, err
}

// plan makes a plan and builds nothing.
func (j *judge) plan(ctx context.Context, q session.Query) (*session.Planned, error) {
	s, err := session.Open(ctx, session.Place{Dir: j.dir, Builders: j.builders(), Load: docker.NoLoad}, session.Asked, session.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Plan(ctx, q)
}

// holdSince holds a plan against a commit against the verdict of the plan against the
// builds of that commit.
func (v *verdict) holdSince(p *session.Planned) {
	commit := map[string]bool{} // images that are said to change with every commit, and what is built on them
	for i := range v.images {
		im := &v.images[i]
		ip := p.Plan.Image(im.plan.Name)
		commit[im.plan.Name] = ip != nil && slices.ContainsFunc(ip.Reasons, func(r impact.Reason) bool {
			return r.Kind == impact.ReasonFile && r.Path == ".git" || commit[r.Image]
		})
		switch {
		case im.failed != nil || im.plan.Err != nil:
		case ip == nil:
			im.misses = append(im.misses, miss{falseKept, im.plan.Name + ": not in the plan against a commit"})
		case ip.Action == impact.Keep && im.changed:
			im.misses = append(im.misses, miss{falseKept, fmt.Sprintf("%s: kept against a commit, and a build gives another image: %+v", im.plan.Name, im.plan.Reasons)})
		case ip.Action == impact.Rebuild && im.plan.Action == impact.Keep && !im.changed && !commit[im.plan.Name]:
			im.misses = append(im.misses, miss{falseRebuilt, fmt.Sprintf("%s: rebuilt against a commit: %+v", im.plan.Name, ip.Reasons)})
		}
	}
}

// compare finds the misses.
func (j *judge) compare(v *verdict, p *session.Planned, report, all *run.Report) {
	ran := executed(p.Target, report, all)
	broken := all.Count(run.Failed) > 0
	behind := j.behindLinks(p.Target)
	same := map[string]bool{} // images that came out as they were
	for _, name := range p.Target.Order {
		ip := p.Plan.Image(name)
		iv := imageVerdict{plan: ip}
		add := func(kind, format string, args ...any) {
			iv.misses = append(iv.misses, miss{kind, name + ": " + fmt.Sprintf(format, args...)})
		}
		o := all.Outcome(name)
		iv.failed = o.Err
		if o.Status == run.Skipped {
			iv.failed = fmt.Errorf("its parent %s failed", o.Because)
		}
		switch {
		case iv.failed != nil && ip.Err == nil && !onlyWhenRun(iv.failed):
			add(errorNotPredicted, "%v", iv.failed)
		case iv.failed == nil && ip.Err != nil && !onlyWhenRun(ip.Err):
			add(errorNotFound, "%v", ip.Err)
		}
		before := p.Records[name]
		if iv.failed == nil {
			iv.changed = before == nil || before.Config != o.Result.Config || !slices.Equal(before.Chain, o.Result.Chain)
			same[name] = !iv.changed
		}
		if iv.failed != nil || ip.Err != nil {
			v.images = append(v.images, iv)
			continue
		}
		parentSame := slices.ContainsFunc(ip.Parents, func(parent string) bool {
			return same[parent] && p.Plan.Image(parent).Action == impact.Rebuild
		})
		ranAny, notComparableAny, remote := false, false, map[string]bool{}
		for _, l := range p.Target.States[name].Layers {
			if l.Remote {
				remote[l.Name] = true // the step that takes the source's files has its name too
			}
		}
		for i, l := range planned(p.Target.States[name]) {
			lp := &ip.Layers[i]
			if !lp.Step {
				continue
			}
			lv := layerVerdict{LayerPlan: lp, ran: ran[l.Key]}
			switch {
			case l.Inline || l.Remote && l.Line == 0:
				lv.notComparable = "inline document"
			case l.TakesNothing():
				lv.notComparable = "made of nothing, so it runs each time"
			case lp.Link:
				lv.notComparable = "--link, a plain copy on engines before 23"
			case remote[lp.Name]:
				lv.notComparable = "a remote source, looked at by each build"
			case lp.State != impact.Invalidated:
			case behind[l.Key]:
				lv.notComparable = "wildcards behind a link, which match nothing on engines before 23"
			case j.seen[l.Key]:
				lv.notComparable = "seen before"
			case j.ownKeys[l.OwnKey]:
				lv.notComparable = "compared by content"
			case parentSame:
				lv.notComparable = "parent came out the same"
			case broken:
				lv.notComparable = "another image failed"
			}
			ranAny, notComparableAny = ranAny || lv.ran, notComparableAny || lv.notComparable != ""
			switch {
			case lp.State == impact.Cached && lv.ran && lv.notComparable == "":
				add(falseCached, "%s:%d: %s", lp.Dockerfile, lp.Line, lp.Name)
			case lp.State == impact.Invalidated && !lv.ran && lv.notComparable == "":
				add(falseInvalidated, "%s:%d: %s", lp.Dockerfile, lp.Line, lp.Name)
			}
			iv.layers = append(iv.layers, lv)
		}
		switch {
		case ip.Action == impact.Keep && iv.changed:
			add(falseKept, "a build gives another image")
		case ip.Action == impact.Rebuild && !iv.changed && !ranAny && !notComparableAny && !ip.Unsure && !parentSame && byContent(ip):
			add(falseRebuilt, "%+v", ip.Reasons)
		}
		if first := report.Outcome(name); first != nil && first.Result != nil {
			// The engine alone can make this so: the state is the same, and so are the
			// keys of its layers. It was seen on a busy engine 20.10.
			iv.unrepeated = first.Result.Config != o.Result.Config || !slices.Equal(first.Result.Chain, o.Result.Chain)
		}
		v.images = append(v.images, iv)
	}
}

// behindLinks are the keys of layers with wildcards behind a link, and of all that
// stands on them.
func (j *judge) behindLinks(s *impact.Snapshot) map[impact.Digest]bool {
	behind := map[impact.Digest]bool{}
	for _, name := range s.Order {
		layers := s.States[name].Layers
		for _, l := range layers {
			if slices.ContainsFunc(l.Reads, j.behindLink) || slices.ContainsFunc(l.Inputs, func(i int) bool { return behind[layers[i].Key] }) {
				behind[l.Key] = true
			}
		}
	}
	return behind
}

// behindLink tells of wildcards in a folder that a link leads to.
func (j *judge) behindLink(r impact.StateRead) bool {
	fixed, wild := impact.SplitWildcards(r.Path)
	if !r.Wildcard || wild == "" {
		return false
	}
	folder := filepath.Join(j.dir, r.Context, filepath.FromSlash(fixed))
	real, err := filepath.EvalSymlinks(folder)
	return err == nil && real != folder
}

// holdAudit holds what the run found out by itself against the verdict.
func (v *verdict) holdAudit(report *run.Report) {
	if report.Audit == nil {
		return
	}
	for _, m := range report.Audit.Misses {
		if im := v.image(m.Image); im != nil && len(im.misses) == 0 {
			im.misses = append(im.misses, miss{falseAlarm, fmt.Sprintf("%s: %s %s:%d %s: %s", m.Image, m.Kind, m.Dockerfile, m.Line, m.Instruction, m.Cause)})
		}
	}
}

// onlyWhenRun tells of a failure that shows only when a step is executed: a
// command's, and a wildcard that matches nothing in a folder of which nothing else
// is read, so that it does not travel. Found in the cache, both succeed. Nor does a
// plan ask a registry whether it has a base image that the engine lacks. Engines word what
// did not travel in two ways.
func onlyWhenRun(err error) bool {
	return slices.ContainsFunc([]string{"exit code", "failed to do request", "buildkit-mount", "lstat /", "parent"}, func(part string) bool { return strings.Contains(err.Error(), part) }) ||
		missingBelow.MatchString(err.Error())
}

// missingBelow is what a plan says of wildcards in a folder that is not there.
var missingBelow = regexp.MustCompile(`/\S*[*?\[].* is not in the build context`)

// byContent tells whether a rebuild is for what the image is made of, not for what
// the engine or the records tell.
func byContent(ip *impact.ImagePlan) bool {
	return !slices.ContainsFunc(ip.Reasons, func(r impact.Reason) bool {
		return slices.Contains([]impact.ReasonKind{impact.ReasonMissing, impact.ReasonNew, impact.ReasonFailed, impact.ReasonForced}, r.Kind) ||
			r.Kind == impact.ReasonConfig && r.Field == impact.FieldTag
	})
}

// planned are the layers of a state that a plan lists, in its order.
func planned(st *impact.State) []impact.StateLayer {
	return slices.DeleteFunc(slices.Clone(st.Layers), func(l impact.StateLayer) bool { return !l.Listed() })
}

// executed are the keys of the layers that ran in any of the reports. Equal steps
// of several images run once, whichever comes first.
func executed(s *impact.Snapshot, reports ...*run.Report) map[impact.Digest]bool {
	ran := map[impact.Digest]bool{}
	for _, report := range reports {
		for _, o := range report.Outcomes {
			if o.Result == nil {
				continue
			}
			names := map[string]bool{}
			for _, step := range o.Result.Steps {
				if step.Ran() {
					names[step.Name] = true
				}
			}
			for _, l := range s.States[o.Image].Layers {
				// A layer that is an image has the key of that image's last step.
				if names[l.Name] && l.From == "" {
					ran[l.Key] = true
				}
			}
		}
	}
	return ran
}

// String is one line an image, as hazard stories expect it: "app=2/3" is rebuilt
// with two of its three steps predicted to run, "app=keep", "app=error".
func (v *verdict) String() string {
	words := map[string]bool{}
	for _, im := range v.images {
		words[im.plan.Name+"="+im.word()] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(words)), " ")
}

func (im *imageVerdict) word() string {
	switch {
	case im.plan.Err != nil:
		return "error"
	case im.plan.Action == impact.Keep:
		return "keep"
	}
	steps := 0
	for _, l := range im.plan.Layers {
		if l.Step {
			steps++
		}
	}
	return fmt.Sprintf("%d/%d", im.plan.Predicted(), steps)
}
