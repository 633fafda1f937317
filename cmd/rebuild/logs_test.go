package main

import (
	"strings"
	"testing"
)

// What is written for people leaves out the fields that the message repeats.
func TestConsoleLog(t *testing.T) {
	var out strings.Builder
	line := `{"level":"info","image":"app","cause":"a.txt","seconds":1.5,"ran":2,"estimate":3,"where":"x","what":"y","folders":4,"time":"2026-01-02T03:04:05.678Z","message":"app was built"}`
	if _, err := consoleLog(&out, false).Write([]byte(line)); err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(out.String(), " ") // the time of day is that of the place
	if text != "app was built\n" {
		t.Errorf("%q", out.String())
	}
}
