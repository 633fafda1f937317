//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"context"

	"rebuild/watch/daemon"
)

// resources are what a daemon holds at one moment.
type resources struct {
	files, goroutines int
	beyond            int // inotify watches beyond the folders that it says it watches
	folders           int
	memory, anonymous int // KiB that are resident, and those of them that no file is behind
}

// How much more than at first counts as piled up. A daemon that rests keeps a
// connection of its newest planning, or none; a lookout more may lie above folders
// that are gone.
const (
	moreFiles      = 6
	moreGoroutines = 12
	moreBeyond     = 12
	moreMemory     = 20 << 10 // KiB
)

// restTime is in which a daemon that rests has given its memory back, and closed what
// it does not need: it looks to that every daemon.CheckEvery.
const restTime = 3 * daemon.CheckEvery

var goroutineCount = regexp.MustCompile(`^goroutine profile: total (\d+)`)

// resources counts what the daemon holds, but for its goroutines: to tell those it takes
// memory.
func (d *soakDaemon) resources(t *testing.T, folders int) resources {
	t.Helper()
	r := resources{folders: folders}
	proc := fmt.Sprintf("/proc/%d/", d.cmd.Process.Pid)
	open, err := os.ReadDir(proc + "fd")
	check(t, err)
	r.files = len(open)
	infos, err := filepath.Glob(proc + "fdinfo/*")
	check(t, err)
	for _, info := range infos {
		data, err := os.ReadFile(info)
		if err == nil { // else it was closed meanwhile
			r.beyond += strings.Count(string(data), "inotify wd:")
		}
	}
	r.beyond -= folders
	status, err := os.ReadFile(proc + "status")
	check(t, err)
	for name, into := range map[string]*int{"VmRSS:": &r.memory, "RssAnon:": &r.anonymous} {
		_, rest, _ := strings.Cut(string(status), name)
		_, err := fmt.Sscan(rest, into)
		check(t, err)
	}
	return r
}

// countGoroutines adds how many goroutines the daemon has; those that end may take a moment.
func (r *resources) countGoroutines(t *testing.T, d *soakDaemon, most int) {
	t.Helper()
	comesTrue(restTime, func() bool {
		if m := goroutineCount.FindStringSubmatch(d.goroutines(t)); m != nil {
			r.goroutines, _ = strconv.Atoi(m[1]) // digits
		}
		return r.goroutines <= most
	})
}

// piledUp fails when the daemon holds more than when it settled first. What ends by
// itself may take a moment.
func (s *soak) piledUp(t *testing.T, st daemon.Status) {
	t.Helper()
	var now resources
	if s.tick != nil && s.first == nil { // the least that it holds is what is compared
		least := s.daemon.resources(t, st.Watching.Folders)
		comesTrue(restTime, func() bool {
			now = s.daemon.resources(t, st.Watching.Folders)
			if now.memory < least.memory {
				least = now
			}
			return false
		})
		least.countGoroutines(t, s.daemon, math.MaxInt)
		s.first = &least
	}
	comesTrue(restTime, func() bool {
		now = s.daemon.resources(t, st.Watching.Folders)
		return s.first == nil || now.files <= s.first.files+moreFiles && now.beyond <= s.first.beyond+moreBeyond &&
			(s.tick == nil || now.memory <= s.first.memory+moreMemory)
	})
	if s.first == nil {
		now.countGoroutines(t, s.daemon, math.MaxInt)
		s.first = &now
	} else {
		now.countGoroutines(t, s.daemon, s.first.goroutines+moreGoroutines)
	}
	switch first := s.first; {
	case now.files > first.files+moreFiles:
		t.Errorf("%d files are open, %d at first: %s", now.files, first.files, s.daemon.openFiles())
	case now.goroutines > first.goroutines+moreGoroutines:
		t.Errorf("%d goroutines, %d at first\n%s", now.goroutines, first.goroutines, s.daemon.goroutines(t))
	case now.beyond > first.beyond+moreBeyond:
		t.Errorf("%d watches beyond those of its folders, %d at first: %+v", now.beyond, first.beyond, now)
	}
	if s.tick != nil && now.memory > s.first.memory+moreMemory {
		kept := filepath.Join(os.TempDir(), fmt.Sprintf("rebuild-soak-%d.heap", os.Getpid()))
		asked := filepath.Join(s.tmp, "goroutines.heap")
		check(t, os.WriteFile(asked, nil, 0o600))
		_ = s.daemon.goroutines(t)
		heap, err := os.ReadFile(asked)
		if err == nil {
			err = os.WriteFile(kept, heap, 0o600)
		}
		t.Errorf("%d KiB are resident, %d at first; the heap: go tool pprof -top %s (%v)", now.memory, s.first.memory, kept, err)
	}
	t.Logf("settled after %d edits: %+v, %d images, %s", s.edits, now, len(st.Images), st.State)
	if s.tick != nil && now.goroutines > s.first.goroutines {
		t.Logf("its goroutines:\n%s", s.daemon.goroutines(t))
	}
}

func (d *soakDaemon) openFiles() string {
	var names []string
	dir := fmt.Sprintf("/proc/%d/fd", d.cmd.Process.Pid)
	open, _ := os.ReadDir(dir)
	for _, f := range open {
		to, _ := os.Readlink(filepath.Join(dir, f.Name()))
		names = append(names, to)
	}
	return strings.Join(names, " ")
}

// dangling fails for images of ours without a tag. What a killed run left, the next
// one takes away, so that one is given the chance: from what can be built, as nothing
// runs of what cannot.
func (s *soak) dangling(t *testing.T) {
	t.Helper()
	left := s.untagged(t)
	if len(left) == 0 {
		return
	}
	s.did("one more run", "for %d images without a tag", len(left))
	was, next := s.now, s.good.clone()
	for _, im := range next.images {
		f := next.files[im.dockerfile()]
		f.data = strings.TrimSuffix(f.data, "\n") + fmt.Sprintf("\nLABEL more=%d\n", s.r.IntN(1_000_000))
		next.files[im.dockerfile()] = f
	}
	s.become(t, next)
	s.daemon.wait(t)
	s.daemon.rest(t)
	if left := s.untagged(t); len(left) > 0 {
		journal, _ := filepath.Glob(filepath.Join(s.daemon.state, "records", "*", "made", "journal.json"))
		text := ""
		for _, name := range journal {
			data, _ := os.ReadFile(name)
			text += string(data)
		}
		t.Errorf("images without a tag are left: %q\nthe journal: %s", left, text)
	}
	s.become(t, was)
}

// untagged lists images without a tag that stand on this repository's base image: the
// first of their steps has its prefix.
func (s *soak) untagged(t *testing.T) []string {
	t.Helper()
	target := s.gate.target
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", target)
	}}}
	get := func(path string, into any) bool {
		res, err := web.Get("http://engine" + path)
		check(t, err)
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK && json.NewDecoder(res.Body).Decode(into) == nil
	}
	var images []struct{ ID string }
	if !get("/images/json?filters="+url.QueryEscape(`{"dangling":["true"]}`), &images) {
		t.Fatal("the engine does not list its images")
	}
	var left []string
	for _, im := range images {
		if s.bases[im.ID] {
			continue
		}
		var history []struct{ CreatedBy string }
		if !get("/images/"+im.ID+"/history", &history) {
			continue // it is gone, and was somebody else's
		}
		for _, step := range history {
			if strings.Contains(step.CreatedBy, "echo "+s.checkout.prefix+" ") {
				left = append(left, im.ID)
				break
			}
		}
	}
	return left
}
