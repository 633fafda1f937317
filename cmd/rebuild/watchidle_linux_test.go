package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"rebuild/docker/enginetest"
	"rebuild/watch/daemon"
)

// BenchmarkIdleDaemon leaves a daemon alone for a minute: on the example, beside 20,000
// other files in 100 folders that no layer reads.
func BenchmarkIdleDaemon(b *testing.B) {
	e := enginetest.Connect(b)
	bin, dir := program(b), example(b, 20_000)
	ownTags(b, e, dir)
	command(b, dir, bin, "--progress", "quiet")
	d := watchExample(b, bin, dir)
	proc := filepath.Join("/proc", strconv.Itoa(d.process.Pid))
	<-time.After(3 * daemon.CheckEvery) // in which it comes to rest
	for b.Loop() {
		before := cpuTicks(b, proc)
		<-time.After(time.Minute)
		b.ReportMetric(float64(cpuTicks(b, proc)-before), "ticks/min")
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(residentKB(b, proc))/1024, "MB-resident")
	b.ReportMetric(float64(inotifyWatches(b, proc)), "watches")
	b.ReportMetric(float64(ownFolders(b, dir)), "folders-of-example")
}

// cpuTicks are the hundredths of a second that a process has computed (proc(5), stat).
func cpuTicks(b *testing.B, proc string) int {
	b.Helper()
	data, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), ") ") // past the name, which may hold spaces
	fields := strings.Fields(rest)
	var ticks int
	for _, field := range fields[11:13] { // utime and stime, the 14th and 15th of all
		n, err := strconv.Atoi(field)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return ticks
}

func residentKB(b *testing.B, proc string) (kb int) {
	b.Helper()
	data, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "VmRSS:")
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		b.Fatal(err)
	}
	return kb
}

// inotifyWatches counts the watches of a process: a line each of its descriptors'
// fdinfo.
func inotifyWatches(b *testing.B, proc string) (n int) {
	b.Helper()
	infos, err := filepath.Glob(filepath.Join(proc, "fdinfo", "*"))
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range infos {
		if data, err := os.ReadFile(path); err == nil { // it may be closed meanwhile
			n += strings.Count(string(data), "inotify wd:")
		}
	}
	return n
}

// ownFolders counts the folders of a copy of the example, without the other files.
func ownFolders(b *testing.B, dir string) (n int) {
	b.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		if path == filepath.Join(dir, "other") || e.Name() == ".git" {
			return fs.SkipDir
		}
		n++
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}
