package watch

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// poll learns what happens by comparing what the folders hold with what they held.
type poll struct {
	hints *hints
	every time.Duration
	seen  map[string]folder // each of the set, as it was at the last look
}

// folder is what one look at a folder saw; one that is not there has no id.
type folder struct {
	id      identity
	there   bool
	mode    fs.FileMode
	entries map[string]entry
}

// entry is what lstat says. Of a folder it is mode and identity alone: the rest
// changes with what lies in it, and that is not watched here.
type entry struct {
	id       identity
	mode     fs.FileMode
	size     int64
	modified int64 // ns
	changed  int64 // ns
	// young: the entry changed so shortly before the look that another change may get
	// the same times. Growing old is a difference, so it is reported once more then.
	young bool
}

func newPoll(h *hints, every time.Duration) *poll {
	return &poll{hints: h, every: every, seen: map[string]folder{}}
}

// watch looks at the folders that are new; the pause stays between looks at the rest.
func (p *poll) watch(ctx context.Context, set []string) error {
	before := p.seen
	p.seen = make(map[string]folder, len(set))
	for _, path := range set {
		if old, ok := before[path]; ok {
			p.seen[path] = old
		} else if err := p.visit(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

func (p *poll) look(ctx context.Context) error {
	for path := range p.seen {
		if err := p.visit(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// visit reads one folder and adds what differs.
func (p *poll) visit(ctx context.Context, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	old, now := p.seen[path], readFolder(path, time.Now())
	p.seen[path] = now
	if now.there != old.there || now.id != old.id || now.mode != old.mode {
		p.hints.add(path)
	}
	if now.id != old.id {
		return nil // another folder: its path says to look at all of it
	}
	for name, e := range now.entries {
		if old.entries[name] != e {
			p.hints.add(filepath.Join(path, name))
		}
	}
	for name := range old.entries {
		if _, ok := now.entries[name]; !ok {
			p.hints.add(filepath.Join(path, name))
		}
	}
	return nil
}

func (p *poll) woken() <-chan struct{} { return nil }

// pause keeps polling below a twentieth of one processor.
func (p *poll) pause(took time.Duration) time.Duration { return max(p.every, 20*took) }

func (p *poll) present() int {
	n := 0
	for _, f := range p.seen {
		if f.there {
			n++
		}
	}
	return n
}

func (p *poll) close() {}

// readFolder reads a folder, which may be reached by a symlink.
func readFolder(path string, now time.Time) folder {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return folder{}
	}
	id, _ := identify(path, info)
	f := folder{id: id, there: true, mode: info.Mode(), entries: map[string]entry{}}
	// What cannot be read has no entries; what is read before an error counts.
	entries, _ := os.ReadDir(path)
	for _, e := range entries {
		if isProbe(e.Name()) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // gone since
		}
		f.entries[e.Name()] = newEntry(filepath.Join(path, e.Name()), info, now)
	}
	return f
}

func newEntry(path string, info fs.FileInfo, now time.Time) entry {
	id, changed := identify(path, info)
	e := entry{id: id, mode: info.Mode()}
	if !info.IsDir() {
		e.size, e.modified, e.changed = info.Size(), info.ModTime().UnixNano(), changed
		e.young = isYoung(max(e.modified, changed), now.UnixNano())
	}
	return e
}

// isYoung tells whether a later change may get the same time. A time of whole
// seconds may be one of a file system that keeps no finer ones (FAT: 2 s); the others
// go by the kernel's clock, which moves on every 1 to 10 ms.
func isYoung(stamp, now int64) bool {
	step := 20 * time.Millisecond
	if stamp%int64(time.Second) == 0 {
		step = 2 * time.Second
	}
	return now-stamp < int64(step) && stamp-now < int64(step)
}
