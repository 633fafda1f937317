//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gofrs/flock"

	"rebuild/cmd/rebuild/session"
	"rebuild/docker/audit"
	"rebuild/docker/enginetest"
	"rebuild/docker/record"
	"rebuild/docker/run"
	"rebuild/impact"
	"rebuild/watch/daemon"
)

// settle lets the daemon come to rest, and holds what it says against what is so.
func (s *soak) settle(t *testing.T) {
	t.Helper()
	s.besideEnds(t)
	s.write(t) // what is half typed
	s.settled++
	fine := s.settledNow(t)
	if !fine && !t.Failed() && s.r.IntN(2) == 0 {
		// A repository that builds has more to tell; and what failed must come right.
		s.did("undo", "to what could be built")
		s.become(t, s.good.clone())
		if fine = s.settledNow(t); !fine && !t.Failed() {
			t.Errorf("what could be built before cannot be now: %+v", s.daemon.status(t))
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	if fine {
		s.good = s.now
	}
	s.steps = nil
}

// settledNow tells whether every image could be built.
func (s *soak) settledNow(t *testing.T) bool {
	t.Helper()
	s.daemon.wait(t)
	s.dangling(t)
	all := s.daemon.wait(t)
	st := s.daemon.rest(t)
	want := daemon.Failing
	if all {
		want = daemon.UpToDate
	}
	if st.State != want {
		t.Errorf("wait says that everything is up to date: %v, and status says %q: %+v", all, st.State, st)
	}
	s.daemon.sane(t)
	s.piledUp(t, st)
	s.audit(t)
	s.judge(t, st)
	return all
}

// judge holds each image against a build of everything, as if nothing were known,
// beside records of its own. The daemon stands still meanwhile, and its tags are put
// back.
func (s *soak) judge(t *testing.T, st daemon.Status) {
	t.Helper()
	s.daemon.signal(t, syscall.SIGSTOP)
	defer s.daemon.signal(t, syscall.SIGCONT)
	ctx := t.Context()
	p, report, err := s.buildAll(ctx)
	if err != nil {
		if st.Error == "" {
			t.Errorf("the daemon says %q, and nothing can be planned: %v", st.State, err)
		}
		return
	}
	if st.Error != "" {
		t.Errorf("the daemon says %q, and a build begins", st.Error)
		return
	}
	id, err := s.engine.ID(ctx)
	check(t, err)
	records := record.Open(filepath.Join(s.daemon.state, "records"), id)
	s.putBack(t, p, report, records)
	said := map[string]daemon.ImageStatus{}
	for _, im := range st.Images {
		said[im.Name] = im
	}
	for _, name := range p.Target.Order {
		s.judged++
		rec, warning := records.Load(name)
		if warning != "" {
			t.Errorf("%s: %s", name, warning)
		}
		o := report.Outcome(name)
		if o == nil {
			t.Errorf("%s was not built", name)
			continue
		}
		switch im := said[name]; {
		case im.State == daemon.ImageUpToDate && o.Status != run.Built:
			if o.Err == nil || !onlyWhenRun(o.Err) {
				t.Errorf("%s is said to be up to date, and a build of it is %s: %v %s", name, o.Status, o.Err, o.Because)
			}
		case im.State == daemon.ImageUpToDate && rec == nil:
			t.Errorf("%s is said to be up to date, and has no record", name)
		case im.State == daemon.ImageUpToDate:
			if rec.Config != o.Result.Config || !slices.Equal(rec.Chain, o.Result.Chain) {
				t.Errorf("%s is said to be up to date, and a build gives another image: config %.20s for %.20s, layers\n%s\nfor\n%s", name,
					rec.Config, o.Result.Config, strings.Join(rec.Chain, "\n"), strings.Join(o.Result.Chain, "\n"))
			}
		case im.State == daemon.ImageFailed && o.Status == run.Built:
			if im.Failure == nil || !onlyWhenRun(errors.New(im.Failure.What+im.Failure.Cause)) {
				t.Errorf("%s is said to have failed (%+v), and can be built", name, im.Failure)
			}
		case im.State == daemon.ImageStale && im.Waits != nil && im.Waits.Kind == daemon.WaitsForImage:
		case im.State != daemon.ImageFailed:
			t.Errorf("%s is said to be %q: %+v", name, im.State, im)
		}
	}
}

// buildAll builds every image with no record of any. The daemon's are put away meanwhile.
func (s *soak) buildAll(ctx context.Context) (p *session.Planned, report *run.Report, err error) {
	records := filepath.Join(s.daemon.state, "records")
	if err := os.Rename(records, records+".kept"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	defer func() {
		err = errors.Join(err, os.RemoveAll(records))
		if back := os.Rename(records+".kept", records); back != nil && !errors.Is(back, os.ErrNotExist) {
			err = errors.Join(err, back)
		}
	}()
	sess, err := session.Open(ctx, session.Place{Dir: s.checkout.dir}, session.Asked, session.Options{})
	if err != nil {
		return nil, nil, err
	}
	defer sess.Close()
	if p, err = sess.PlanOnline(ctx, session.Query{All: true, Slots: 4}); err != nil {
		return nil, nil, err
	}
	if err := p.SharedTags(); err != nil {
		return nil, nil, err
	}
	for i := range p.Plan.Images {
		p.Plan.Images[i].Err = nil // whether it is broken, the build tells
		p.Plan.Images[i].Action = impact.Rebuild
	}
	report, err = sess.Run(ctx, p, session.Shown{})
	return p, report, err
}

// putBack gives the daemon's images the tags that the build of everything took, and
// removes what that made.
func (s *soak) putBack(t *testing.T, p *session.Planned, report *run.Report, records *record.Store) {
	t.Helper()
	ctx := t.Context()
	ours, made := map[string]bool{}, map[string]bool{}
	for _, name := range p.Target.Order {
		rec, _ := records.Load(name)
		o := report.Outcome(name)
		if o != nil && o.Result != nil {
			made[o.Result.ImageID] = true
		}
		if rec == nil || rec.ImageID == "" {
			continue
		}
		ours[rec.ImageID] = true
		if o == nil || o.Result == nil || o.Result.ImageID == rec.ImageID {
			continue
		}
		im, _ := p.Target.Catalog.Image(name)
		for _, ref := range im.Refs {
			enginetest.Tag(t, s.engine, rec.ImageID, ref)
		}
	}
	for id := range made {
		if !ours[id] {
			_ = s.engine.Remove(ctx, id) // one that no record is about keeps its tags
		}
	}
}

// audit fails when a layer was predicted to be cached, and ran, by no fault of the
// cache.
func (s *soak) audit(t *testing.T) {
	t.Helper()
	id, err := s.engine.ID(t.Context())
	check(t, err)
	audits, warning, err := audit.OpenLog(record.Open(filepath.Join(s.daemon.state, "records"), id).AuditFile()).Read()
	if err != nil || warning != "" {
		t.Fatalf("audit: %v %s", err, warning)
	}
	sum := audit.SumOf(audits)
	for _, m := range sum.Misses {
		if m.Kind == audit.Unsound && m.Cause.Kind == audit.CauseUnknown { // a base moves at any moment
			t.Errorf("unsound: %s: %s: %s", m.Date.Format("15:04:05.000"), missPlace(m.Miss), causeText(m.Cause))
		}
	}
}

// finish ends the daemon in good order, and looks at what it leaves.
func (s *soak) finish(t *testing.T) {
	t.Helper()
	want := exitFailed
	if s.daemon.status(t).State == daemon.UpToDate {
		want = exitOK
	}
	wait := s.rebuildCommand("wait", "--timeout", soakRest.String())
	if out, err := wait.CombinedOutput(); wait.ProcessState.ExitCode() != want {
		t.Errorf("rebuild wait: %v\n%s", err, out)
	}
	out, err := s.rebuildCommand("audit").CombinedOutput()
	if err != nil {
		t.Errorf("rebuild audit: %v\n%s", err, out)
	}
	t.Logf("%s", out)
	out, err = s.rebuildCommand("stop").CombinedOutput()
	if err != nil {
		t.Errorf("rebuild stop: %v\n%s", err, out)
	}
	if err := <-s.daemon.ended; err != nil {
		t.Errorf("the daemon ends with %v", err)
	}
	s.daemon.sane(t)
	if _, err := os.Lstat(s.daemon.socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	var exit *exec.ExitError
	if err := s.rebuildCommand("status").Run(); !errors.As(err, &exit) || exit.ExitCode() != exitUsage {
		t.Errorf("rebuild status without a daemon: %v", err)
	}
	for _, name := range []string{"lock", "watch.lock"} {
		lock := flock.New(filepath.Join(s.daemon.state, name))
		if got, err := lock.TryLock(); !got {
			t.Errorf("%s is still held: %v", name, err)
		}
		check(t, lock.Close())
	}
	s.parses(t)
}

// parses fails for a record that is half written, and for what writing one leaves.
func (s *soak) parses(t *testing.T) {
	t.Helper()
	check(t, filepath.WalkDir(filepath.Join(s.daemon.state, "records"), func(full string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if filepath.Ext(full) != ".json" {
			return nil
		}
		data, err := os.ReadFile(full)
		if err == nil && !json.Valid(data) {
			t.Errorf("%s is half written: %s", full, data)
		}
		return err
	}))
}
