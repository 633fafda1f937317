package tree

import "os"

// unread is never asked: a pipe is read to its end.
func unread(*os.File) []byte { return nil }
