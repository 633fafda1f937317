package watch

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestPollPause(t *testing.T) {
	p := newPoll(newHints(), time.Second)
	for took, want := range map[time.Duration]time.Duration{
		0:                      time.Second,
		50 * time.Millisecond:  time.Second,
		200 * time.Millisecond: 4 * time.Second,
	} {
		if got := p.pause(took); got != want {
			t.Errorf("the pause after a look of %v is %v, want %v", took, got, want)
		}
	}
}

// Two changes within one tick of the file system's clock look like one, so a young
// entry differs from itself grown old.
func TestYoungEntryIsReportedOnceMore(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	at := func(d time.Duration) entry { return readFolder(dir, info.ModTime().Add(d)).entries["file"] }
	if at(time.Millisecond) != at(2*time.Millisecond) {
		t.Error("a young entry differs from itself")
	}
	if at(time.Millisecond) == at(time.Second) {
		t.Error("an entry that has grown old does not differ")
	}
	if at(time.Second) != at(time.Hour) {
		t.Error("an old entry differs from itself")
	}
}

func TestIsYoung(t *testing.T) {
	second, ms := int64(time.Second), int64(time.Millisecond)
	for _, c := range []struct {
		stamp, now int64
		want       bool
	}{
		{5*second + 1, 5*second + ms, true},
		{5*second + 1, 5*second + 30*ms, false},
		{5 * second, 6 * second, true}, // no finer times than whole seconds
		{5 * second, 7 * second, false},
		{6*second + ms, 6 * second, true},   // another machine's clock
		{90*second + ms, 6 * second, false}, // a time in the future is not young for ever
	} {
		if got := isYoung(c.stamp, c.now); got != c.want {
			t.Errorf("isYoung(%d, %d) = %v", c.stamp, c.now, got)
		}
	}
}
