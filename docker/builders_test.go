package docker

import (
	"errors"
	"testing"
)

// Who failed an image: its builder, or the image itself.
func TestElsewhere(t *testing.T) {
	full := errors.New("ResourceExhausted: commit failed: write /x/metadata.db: no space left on device")
	exit := errors.New(`process "/bin/sh -c echo no space left on device" did not complete successfully: exit code: 1`)
	tests := map[string]struct {
		err   error
		cause string
		gone  bool
	}{
		"a builder that went away":     {&Unreachable{Host: "b", Cause: errors.New("connection lost"), Builder: true}, "connection lost", true},
		"an engine that went away":     {&Unreachable{Host: "e", Cause: errors.New("connection lost")}, "", false},
		"a full disk":                  {&BuildFailure{Cause: full, Executed: true}, "its disk is full", true},
		"a step without space":         {&BuildFailure{Cause: errors.New("exit code: 1"), LastLog: []string{"cp: No space left on device"}}, "no space was left for a step", false},
		"a step that names it":         {&BuildFailure{Cause: exit, Executed: true}, "", false},
		"another platform":             {&BuildFailure{Cause: &Unrunnable{Platform: "linux/arm64"}}, "it runs nothing of linux/arm64", false},
		"a step that fails by itself":  {&BuildFailure{Cause: errors.New("exit code: 1"), Executed: true}, "", false},
		"a request that cannot be met": {errors.New("wrong"), "", false},
	}
	for name, tt := range tests {
		if cause, gone := Elsewhere(tt.err); cause != tt.cause || gone != tt.gone {
			t.Errorf("%s: %q %t", name, cause, gone)
		}
	}
}
