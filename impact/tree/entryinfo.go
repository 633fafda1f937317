package tree

import (
	"io/fs"
	"time"
)

// entryInfo is an entry as fs.FileInfo.
type entryInfo struct{ e *entry }

func (i entryInfo) Name() string       { return i.e.name() }
func (i entryInfo) Size() int64        { return 0 }
func (i entryInfo) Mode() fs.FileMode  { return i.e.mode }
func (i entryInfo) ModTime() time.Time { return time.Time{} }
func (i entryInfo) IsDir() bool        { return i.e.mode.IsDir() }
func (i entryInfo) Sys() any           { return nil }
