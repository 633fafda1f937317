package main

import (
	"os/exec"
	"syscall"
	"testing"
)

// peakMemory runs a program and gives the most memory it held, in bytes.
func peakMemory(b *testing.B, dir, name string, args ...string) int64 {
	b.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss * 1024
}
