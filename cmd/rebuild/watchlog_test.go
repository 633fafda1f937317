package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"rebuild/docker"
	"rebuild/docker/run"
	"rebuild/impact"
	"rebuild/watch"
	"rebuild/watch/daemon"
)

// The log's lines are read by programs: each event gives these, with these fields.
func TestWatchLog(t *testing.T) {
	cause := &daemon.Cause{Reason: impact.Reason{Kind: impact.ReasonFile, Path: "a.txt"}}
	built := run.Outcome{Image: "app", Duration: 1500 * time.Millisecond, Ran: 2, Edited: true, Result: &docker.Result{Warnings: []string{"old syntax"}}}
	failure := daemon.Failure{File: "Dockerfile", Line: 3, What: "RUN make", Cause: "exit code: 2", Log: []string{"no rule"}}
	command := daemon.Command{Image: "app", Line: "./restart"}
	fault := &impact.Fault{Path: "Dockerfile", Line: 2, Cause: "half typed"}
	for _, c := range []struct {
		event daemon.Event
		want  string // lines
	}{
		{daemon.Watching{Mode: watch.Mode{Folders: 1}}, `{"level":"info","folders":1,"message":"watches 1 folder"}`},
		{daemon.Watching{Mode: watch.Mode{Folders: 2, Polling: true, Why: "NFS"}}, `{"level":"warn","cause":"NFS","folders":2,"message":"looks at 2 folders again and again instead of waiting for events: NFS"}`},
		{daemon.EventsLost{}, `{"level":"warn","message":"more happened than the system could tell: looks at everything again"}`},
		{daemon.EngineAway{Err: &docker.Unreachable{Host: "h", Cause: errors.New("down")}}, `{"level":"error","message":"waits for the engine: docker engine h cannot be reached: down"}`},
		{daemon.EngineBack{}, `{"level":"info","message":"the engine answers again"}`},
		{daemon.DefinitionBroken{Err: fault}, `{"level":"error","message":"Dockerfile:2: half typed"}`},
		{daemon.DefinitionBroken{Err: fault, UsesOld: true}, `{"level":"error","message":"Dockerfile:2: half typed; until it can be read, the definition before counts"}`},
		{daemon.DefinitionRead{}, `{"level":"info","message":"the definition can be read again"}`},
		{daemon.Unbuildable{Image: "app", Fault: fault}, `{"level":"error","image":"app","cause":"Dockerfile:2: half typed","message":"app cannot be built: Dockerfile:2: half typed"}`},
		{daemon.Buildable{Image: "app"}, `{"level":"info","image":"app","message":"app can be built again"}`},
		{daemon.WaitsForLock{}, `{"level":"info","message":"waits for another process"}`},
		{daemon.RunFailed{Err: errors.New("no space")}, `{"level":"error","message":"no space"}`},
		{daemon.Building{Image: "app", Cause: cause, Estimate: 12}, `{"level":"info","image":"app","cause":"a.txt","estimate":12,"message":"app is rebuilt, about 12s: a.txt"}`},
		{daemon.Building{Image: "app"}, `{"level":"info","image":"app","cause":"","estimate":0,"message":"app is rebuilt"}`},
		{daemon.Built{Outcome: built, Cause: cause}, `{"level":"info","image":"app","cause":"a.txt","seconds":1.5,"ran":2,"message":"app was built in 1.5s, 2 layers ran"}
{"level":"info","image":"app","message":"files of app were edited while it was built: it is built again"}
{"level":"warn","image":"app","message":"app: old syntax"}`},
		{daemon.Failed{Image: "app", Failure: failure, Cause: cause}, `{"level":"error","image":"app","message":"  | no rule"}
{"level":"error","image":"app","cause":"a.txt","where":"Dockerfile:3","what":"RUN make","message":"app failed: Dockerfile:3 RUN make"}`},
		{daemon.Superseded{Image: "app"}, `{"level":"info","image":"app","message":"app is stopped: a newer change makes this build useless"}`},
		{daemon.Recovered{Image: "app"}, `{"level":"info","image":"app","message":"app has recovered: its last build had failed"}`},
		{daemon.CutOff{Image: "app"}, `{"level":"info","image":"app","message":"app is kept: what it is built on came out the same"}`},
		{daemon.Paused{}, `{"level":"info","message":"paused: what runs ends, nothing more is begun"}`},
		{daemon.Resumed{}, `{"level":"info","message":"goes on"}`},
		{daemon.CommandRan{Command: command, Took: time.Second}, `{"level":"info","image":"app","seconds":1,"message":"app: ./restart"}`},
		{daemon.CommandRan{Command: command, Err: errors.New("exit status 3"), Output: []string{"no"}}, `{"level":"warn","image":"app","message":"  | no"}
{"level":"warn","image":"app","cause":"exit status 3","message":"app: ./restart: exit status 3"}`},
		{daemon.Warning{Text: "w"}, `{"level":"warn","message":"w"}`},
	} {
		var out bytes.Buffer
		l := &watchLog{log: zerolog.New(&out)}
		l.event(c.event)
		if got := strings.TrimSpace(out.String()); got != c.want {
			t.Errorf("%T:\n%s\nwant\n%s", c.event, got, c.want)
		}
	}
}

// A failure is made known beside the log.
func TestWatchLogAlert(t *testing.T) {
	var heard []string
	l := &watchLog{log: zerolog.Nop(), alert: func(title, text string) { heard = append(heard, title+": "+text) }}
	l.event(daemon.Failed{Image: "app", Failure: daemon.Failure{File: "Dockerfile", What: "RUN make"}})
	l.event(daemon.DefinitionBroken{Err: errors.New("half typed"), UsesOld: true})
	l.event(daemon.RunFailed{Err: errors.New("no space")})
	if got := strings.Join(heard, "; "); got != "app failed: Dockerfile RUN make; definition: half typed" {
		t.Errorf("heard %q", got)
	}
}

// TestConsoleLogOfOddNames: a line of the log is one line on a terminal, whatever names are in it;
// the log itself has them as they are.
func TestConsoleLogOfOddNames(t *testing.T) {
	var file, console bytes.Buffer
	l := newWatchLog(zerolog.MultiLevelWriter(&file, consoleLog(&console, false)))
	l.event(daemon.Building{Image: "app", Cause: &daemon.Cause{Reason: impact.Reason{Kind: impact.ReasonFile, Path: "a\n::error::\x1b[2J\xe9"}}})
	l.event(daemon.Warning{Text: "\x1b[31mred\x1b[0m\n::error::\x1b[2J"})
	lines := strings.Split(strings.TrimSuffix(console.String(), "\n"), "\n")
	for i, want := range []string{`app is rebuilt: "a\n::error::\033[2J\351"`, `red\n::error::\033[2J`} {
		if i >= len(lines) || !strings.HasSuffix(lines[i], " "+want) {
			t.Errorf("no line ends in %s: %q", want, lines)
		}
	}
	if len(lines) != 2 || strings.Contains(console.String(), "\x1b") {
		t.Errorf("%q", console.String())
	}
	if !strings.Contains(file.String(), `"message":"\u001b[31mred\u001b[0m\n::error::\u001b[2J"`) {
		t.Errorf("the log: %s", file.String())
	}
}
