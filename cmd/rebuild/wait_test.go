package main

import (
	"bytes"
	"errors"
	"testing"

	"rebuild/cmd/rebuild/terminal"
	"rebuild/watch/daemon"
)

// Who waits hears what is not up to date, and exits 1 unless everything is.
func TestAnswered(t *testing.T) {
	failed := daemon.ImageStatus{Name: "app", State: daemon.ImageFailed, Failure: &daemon.Failure{File: "Dockerfile", Line: 3, What: "RUN make"}}
	stale := daemon.ImageStatus{Name: "top", State: daemon.ImageStale, Waits: &daemon.Waits{Kind: daemon.WaitsForImage, For: "app"}}
	for _, c := range []struct {
		answer daemon.Answer
		want   string
	}{
		{daemon.Answer{Rest: daemon.Rested}, ""},
		{daemon.Answer{Rest: daemon.RestPaused}, "rebuild: error: the daemon is paused\nrebuild: hint: rebuild resume\n"},
		{daemon.Answer{Rest: daemon.Ended}, "rebuild: error: the daemon was stopped\nrebuild: hint: rebuild watch -d\n"},
		{daemon.Answer{Rest: daemon.Unmarked, Error: "no space"}, "rebuild: error: marker: no space\n"},
		{daemon.Answer{Rest: daemon.RestStuck, Error: "no space"}, "rebuild: error: no space\nrebuild: hint: rebuild status\n"},
		{
			daemon.Answer{Rest: daemon.Rested, Images: []daemon.ImageStatus{failed, stale}, Error: "rebuild.yaml:1: half typed"},
			"rebuild: error: app: Dockerfile:3 RUN make\nrebuild: error: top is stale: waits for app\n" +
				"rebuild: error: rebuild.yaml:1: half typed\nrebuild: hint: rebuild status\n",
		},
	} {
		var out, stderr bytes.Buffer
		err := answered(terminal.New(&out, &stderr), c.answer)
		var exit exitError
		if stderr.String() != c.want || errors.As(err, &exit) != (c.want != "") || c.want != "" && exit.code != exitFailed || out.Len() > 0 {
			t.Errorf("%+v: %v\n%s", c.answer, err, stderr.String())
		}
	}
}
