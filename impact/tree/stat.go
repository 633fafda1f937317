package tree

import (
	"io/fs"
	"time"
)

// stat is what tells that a file was not touched since it was read.
type stat struct {
	size  int64
	mtime int64 // nanoseconds
	ctime int64 // nanoseconds; 0 where the system has none
	inode uint64
	mode  uint32 // as fs.FileMode
}

func statOf(fi fs.FileInfo) stat {
	s := stat{size: fi.Size(), mtime: fi.ModTime().UnixNano(), mode: uint32(fi.Mode())}
	s.inode, s.ctime = identity(fi)
	return s
}

// lastChange is when the file was last changed in any way: users cannot set it, where
// the system has such a time.
func (s stat) lastChange() int64 {
	if s.ctime != 0 {
		return s.ctime
	}
	return s.mtime
}

// settledBefore tells whether the file was last touched before the moment, so
// that a later write is bound to show in its times. It is git's racy rule
// (Documentation/technical/racy-git): a write within the tick of the clock in
// which the file was read leaves no trace.
func (s stat) settledBefore(moment time.Time) bool {
	last := max(s.mtime, s.ctime)
	if last%int64(time.Second) == 0 {
		// Perhaps a file system that counts in seconds, or in two (FAT).
		last += int64(2 * time.Second)
	}
	return last < moment.UnixNano()
}
