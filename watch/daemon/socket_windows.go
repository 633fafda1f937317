package daemon

import "io/fs"

// ownFolder is true: the folder for temporary files is each user's own.
func ownFolder(fs.FileInfo) bool { return true }
