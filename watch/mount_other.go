//go:build !linux

package watch

// silentKind is "": which file systems report no events is known on Linux only. The
// probe finds out elsewhere.
func silentKind(string) string { return "" }
