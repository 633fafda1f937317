package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"rebuild/cmd/rebuild/terminal"
	"rebuild/impact"
	"rebuild/watch/daemon"
)

func aStatus() daemon.Status {
	left := 12.4
	at := time.Now()
	file := func(path string) *daemon.Cause {
		return &daemon.Cause{Reason: impact.Reason{Kind: impact.ReasonFile, Path: path}}
	}
	parent := &daemon.Cause{Reason: impact.Reason{Kind: impact.ReasonParent, Image: "base"}}
	return daemon.Status{
		Version: 1, PID: 42, Root: "/r", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		State: daemon.Working, Watching: daemon.WatchStatus{Mode: "events", Folders: 14},
		Images: []daemon.ImageStatus{
			{Name: "base", State: daemon.ImageUpToDate, Built: &at},
			{Name: "asr-cuda", State: daemon.ImageBuilding, Cause: file("shared/util.py"), Elapsed: 3.2, Left: &left, Layer: &daemon.Layer{File: "docker/asr/Dockerfile", Line: 23, Instruction: "RUN pip install -r requirements.txt"}},
			{Name: "demux", State: daemon.ImageBuilding, Elapsed: 0.2, Layer: &daemon.Layer{Instruction: "exporting to image"}},
			{Name: "mux", State: daemon.ImageFailed, Failure: &daemon.Failure{File: "docker/mux/Dockerfile", Line: 4, What: "RUN make größer", Cause: "exit code: 2", Log: []string{"make: no rule"}}},
			{Name: "top", State: daemon.ImageStale, Waits: &daemon.Waits{Kind: daemon.WaitsForImage, For: "mux"}},
			{Name: "tmdb", State: daemon.ImageQueued, Cause: parent},
			{Name: "ner", State: daemon.ImageQueued, Cause: parent},
		},
	}
}

func TestLiveLines(t *testing.T) {
	resting := daemon.Status{State: daemon.UpToDate, Watching: daemon.WatchStatus{Folders: 1}, Images: []daemon.ImageStatus{{Name: "base", State: daemon.ImageUpToDate}}}
	var out strings.Builder
	for _, width := range []int{119, 59} {
		for _, s := range []daemon.Status{aStatus(), resting} {
			for _, line := range liveLines(terminal.New(io.Discard, io.Discard), s, width) {
				if runewidth.StringWidth(line) > width {
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

// What programs read of a status: the causes in words, and as data beside them.
func TestStatusDocument(t *testing.T) {
	s := aStatus()
	s.Images = s.Images[1:5]
	got, err := json.MarshalIndent(newStatusDocument(s), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/status-json.golden", string(got)+"\n")
	none, err := json.Marshal(newStatusDocument(daemon.Status{State: daemon.Failing, Error: "half typed"}))
	if want := `{"version":0,"pid":0,"root":"","started":"0001-01-01T00:00:00Z","state":"failed","error":"half typed","watching":{"mode":"","folders":0},"images":[]}`; err != nil || string(none) != want {
		t.Errorf("%s, %v", none, err)
	}
}

func TestPrintStatus(t *testing.T) {
	var out bytes.Buffer
	s := aStatus()
	now := time.Date(2026, 1, 2, 3, 5, 5, 0, time.UTC)
	built := now.Add(-5 * time.Second)
	s.Images[0].Built = &built
	printStatus(terminal.New(&out, &out), s, now)
	out.WriteString("\n")
	polls := daemon.Status{Root: "/r", State: daemon.Failing, Error: "half typed", Started: s.Started, Watching: daemon.WatchStatus{Mode: "polling", Why: "NFS", Folders: 1}}
	printStatus(terminal.New(&out, &out), polls, now)
	golden(t, "testdata/status.golden", out.String())
}

// What the socket gives has the words for people, and all that a client reads.
func TestStatusDocumentHoldsTheStatus(t *testing.T) {
	left, built := 1.5, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := daemon.Status{
		Version: 1, PID: 7, Root: "/r", Started: built, State: daemon.Failing, Error: "e",
		Watching: daemon.WatchStatus{Mode: "polling", Why: "w", Folders: 3},
		Images: []daemon.ImageStatus{{
			Name: "app", Tags: []string{"t/app"}, State: daemon.ImageFailed,
			Waits: &daemon.Waits{Kind: daemon.WaitsForImage, For: "base"},
			Cause: &daemon.Cause{Reason: impact.Reason{Kind: impact.ReasonFile, Path: "a"}, More: 1},
			Layer: &daemon.Layer{File: "Dockerfile", Line: 2, Instruction: "RUN x"}, Elapsed: 2, Left: &left, Built: &built,
			Failure: &daemon.Failure{File: "Dockerfile", Line: 2, What: "RUN x", Cause: "c", Log: []string{"l"}, LogFile: "f"},
		}},
	}
	text, err := json.Marshal(newStatusDocument(s))
	if err != nil {
		t.Fatal(err)
	}
	var got daemon.Status
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%v\n%+v\nwant\n%+v\n%s", err, got, s, text)
	}
	if !strings.Contains(string(text), `"where":"Dockerfile:2"`) || !strings.Contains(string(text), `"cause":"waits for base"`) {
		t.Errorf("without words: %s", text)
	}
}
