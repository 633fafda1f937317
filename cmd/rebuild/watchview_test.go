package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
)

func aStatus() daemonStatus {
	left := 12.4
	at := time.Now()
	return daemonStatus{
		Root: "/r", State: "working", Watching: watchStatus{Mode: "events", Folders: 14},
		Images: []imageStatus{
			{Name: "base", State: upToDate, Built: &at},
			{Name: "asr-cuda", State: building, Cause: "shared/util.py", Elapsed: 3.2, Left: &left, Layer: &layerStatus{Dockerfile: "docker/asr/Dockerfile", Line: 23, Instruction: "RUN pip install -r requirements.txt"}},
			{Name: "demux", State: building, Elapsed: 0.2, Layer: &layerStatus{Instruction: "exporting to image"}},
			{Name: "mux", State: failing, Failure: &failedImage{Where: "docker/mux/Dockerfile:4", What: "RUN make größer"}},
			{Name: "top", State: stale, Cause: "waits for mux"},
			{Name: "tmdb", State: queued, Cause: "base"},
			{Name: "ner", State: queued, Cause: "base"},
		},
	}
}

func TestLiveLines(t *testing.T) {
	resting := daemonStatus{State: upToDate, Watching: watchStatus{Folders: 1}, Images: []imageStatus{{Name: "base", State: upToDate}}}
	var out strings.Builder
	for _, width := range []int{120, 60} {
		for _, s := range []daemonStatus{aStatus(), resting} {
			for _, line := range liveLines(s, width) {
				if runewidth.StringWidth(line) >= width {
					t.Errorf("wider than %d: %q", width, line)
				}
				out.WriteString(line + "|\n")
			}
			out.WriteString("\n")
		}
	}
	golden(t, "testdata/live.golden", out.String())
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("%v\n%s\nis not %s (-update writes it)", err, got, path)
	}
}

// A terminal shows the log, and below it the newest lines alone.
func TestLiveView(t *testing.T) {
	var out strings.Builder
	v := newLiveView(&out)
	if v.tty {
		t.Fatal("a terminal")
	}
	write := func(line string) {
		if n, err := v.Write([]byte(line)); n != len(line) || err != nil {
			t.Errorf("wrote %d of %d bytes, %v", n, len(line), err)
		}
	}
	write("log 1\n")
	v.show([]string{"  a", "  b"})
	write("log 2\n")
	v.show([]string{"  c"})
	write("log 3\n")
	v.show(nil)
	if got, want := screen(out.String()), "log 1\nlog 2\nlog 3\n"; got != want {
		t.Errorf("at the end the screen shows %q, want %q", got, want)
	}
	out.Reset()
	v.show([]string{"  a", "  b"})
	write("log 4\n")
	if got, want := screen(out.String()), "log 4\n  a\n  b\n"; got != want {
		t.Errorf("the screen shows %q, want %q", got, want)
	}
}

// screen is what a terminal shows that was given text.
func screen(text string) string {
	lines := []string{""}
	for text != "" {
		switch {
		case strings.HasPrefix(text, "\x1b["):
			up := int(text[2] - '0')
			text = text[len("\x1b[0A\r\x1b[J"):]
			lines = append(lines[:len(lines)-1-up], "")
		case text[0] == '\n':
			lines = append(lines, "")
			text = text[1:]
		default:
			lines[len(lines)-1] += text[:1]
			text = text[1:]
		}
	}
	return strings.Join(lines, "\n")
}

// A terminal that became narrower has wrapped the lines, which take more rows then.
func TestLiveViewIsNarrowed(t *testing.T) {
	v := newLiveView(&strings.Builder{}) // of a width of 80
	v.lines = []string{strings.Repeat("x", 80), strings.Repeat("x", 81), ""}
	if got, want := v.erased(), "\x1b[4A\r\x1b[J"; got != want {
		t.Errorf("erased by %q, want %q", got, want)
	}
}
