package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"rebuild/docker/record"
	"rebuild/impact/safefile"
)

// logLimit bounds the file, in bytes: a few thousand runs of a few images,
// read in some milliseconds.
const logLimit = 1 << 20

// Log holds the audits of one engine's runs, a line of JSON each, the newest last.
// Reading it needs no lock; Append needs the run's. A nil log is empty.
type Log struct{ path string }

// OpenLog gives the log in a file, which need not exist.
func OpenLog(path string) *Log { return &Log{path: path} }

// Append keeps an audit. What a killed run left half written goes; above the limit
// the oldest half of the file goes too.
func (l *Log) Append(a *Audit) error {
	line, err := json.Marshal(a)
	if err == nil {
		err = l.append(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("the audit of this run is not kept: %w", err)
	}
	return nil
}

func (l *Log) append(line []byte) error {
	done, err := l.add(line)
	if done || err != nil {
		return err
	}
	// The file is closed by now: on Windows nothing takes the place of an open one.
	old, err := safefile.Read(l.path, safefile.Record)
	if err != nil {
		return err
	}
	return record.ReplaceFile(l.path, append(newest(old, len(line)), line...))
}

// add writes a line at the end of the file, unless the file must be written anew.
func (l *Log) add(line []byte) (done bool, err error) {
	f, err := safefile.Open(l.path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return false, err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return false, err
	}
	last := []byte{'\n'}
	if end > 0 {
		if _, err := f.ReadAt(last, end-1); err != nil {
			return false, err
		}
	}
	if last[0] != '\n' || end+int64(len(line)) > logLimit {
		return false, nil
	}
	_, err = f.Write(line)
	return true, err
}

// newest gives the whole lines at the end of a log that leave room for one more:
// all of them, or half the limit's worth, so that not each run has to do this.
func newest(old []byte, room int) []byte {
	old = old[:bytes.LastIndexByte(old, '\n')+1]
	if len(old)+room <= logLimit {
		return old
	}
	keep := max(logLimit/2-room, 0)
	if len(old) <= keep {
		return old
	}
	from := len(old) - keep
	cut := bytes.IndexByte(old[from-1:], '\n')
	return old[from+cut:]
}

// Read gives the audits, the oldest first. Those of another version are left out, and so
// are damaged lines: the warning says so. A last line without its end is a run's that was
// killed.
func (l *Log) Read() (audits []Audit, warning string, err error) {
	data, err := safefile.Read(l.path, safefile.Record)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	p := parseAudits(data)
	switch {
	case p.damaged > 0:
		warning = fmt.Sprintf("%d of the audits that were kept cannot be read, first %s:%v", p.damaged+p.others, l.path, p.first)
	case p.others > 0:
		warning = fmt.Sprintf("audits of another version of rebuild are left out, %d: %s", p.others, l.path)
	}
	return p.audits, warning, nil
}

// errVersion is of an audit that another version of this program wrote.
var errVersion = errors.New("of another version")

// parsed is a log as it was read.
type parsed struct {
	audits  []Audit
	others  int // of other versions
	damaged int
	first   error // of the first damaged line: "line: cause"
}

// parseAudits reads whole lines.
func parseAudits(data []byte) (p parsed) {
	for n := 1; ; n++ {
		line, rest, whole := bytes.Cut(data, []byte{'\n'})
		if !whole {
			return p
		}
		data = rest
		switch a, err := parseAudit(line); {
		case err == nil:
			p.audits = append(p.audits, a)
		case errors.Is(err, errVersion):
			p.others++
		default:
			if p.damaged++; p.first == nil {
				p.first = fmt.Errorf("%d: %w", n, err)
			}
		}
	}
}

func parseAudit(line []byte) (Audit, error) {
	var head struct{ Version int }
	if err := json.Unmarshal(line, &head); err != nil {
		return Audit{}, fmt.Errorf("damaged: %w", err)
	}
	if head.Version <= 0 {
		return Audit{}, errors.New("damaged: it has no version")
	}
	if head.Version != version {
		return Audit{}, fmt.Errorf("%w: %d, not %d", errVersion, head.Version, version)
	}
	var a Audit
	if err := json.Unmarshal(line, &a); err != nil {
		return a, fmt.Errorf("damaged: %w", err)
	}
	counts := []int{a.Images.Built, a.Images.Right, a.Images.ForNothing, a.Layers.Cached, a.Layers.Invalidated, a.Layers.Right, a.Layers.Unsound, a.Layers.Wide}
	for _, m := range []Counts{a.Images.NotComparable, a.Images.NotCompared, a.Layers.NotComparable} {
		for _, n := range m {
			counts = append(counts, n)
		}
	}
	for _, n := range counts {
		if n < 0 || n > logLimit { // a sum of them must stay a number
			return a, fmt.Errorf("damaged: it counts %d", n)
		}
	}
	return a, nil
}

// known gives those of some shortened keys that earlier runs kept. It looks for their
// text alone: parsing a long log would take many times as long.
func (l *Log) known(keys map[string]bool) map[string]bool {
	found := map[string]bool{}
	if l == nil || len(keys) == 0 {
		return found
	}
	data, err := safefile.Read(l.path, safefile.Record)
	if err != nil {
		return found // a log that cannot be read knows nothing
	}
	var starts [256][256]bool // of the keys: enough to pass over most of what stands there
	for key := range keys {
		if len(key) == shortKeyLen {
			starts[key[0]][key[1]] = true
		}
	}
	for {
		at := bytes.IndexByte(data, '"')
		if at < 0 || len(data) < at+shortKeyLen+2 {
			return found
		}
		data = data[at+1:]
		if data[shortKeyLen] != '"' {
			continue
		}
		if key := data[:shortKeyLen]; starts[key[0]][key[1]] && keys[string(key)] {
			found[string(key)] = true
		}
		data = data[shortKeyLen+1:]
	}
}
