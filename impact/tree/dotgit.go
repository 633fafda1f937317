package tree

import "strings"

// dotGitOnNTFS tells whether a Windows file system takes a name for .git: in any case, as
// the short name git~1, with spaces and dots after it, or with a stream or a folder below
// (git's path.c, is_ntfs_dotgit). git refuses it on all systems unless core.protectNTFS says
// otherwise, since a repository travels.
func dotGitOnNTFS(name string) bool {
	rest := ""
	switch lower := strings.ToLower(name); {
	case strings.HasPrefix(lower, ".git"):
		rest = name[len(".git"):]
	case strings.HasPrefix(lower, "git~1"):
		rest = name[len("git~1"):]
	default:
		return false
	}
	rest = strings.TrimLeft(rest, ". ")
	return rest == "" || rest[0] == '\\' || rest[0] == ':'
}

// dotGitOnHFS tells whether a macOS file system takes a name for .git: it leaves out
// characters that are not seen (git's utf8.c, is_hfs_dotgit). git refuses it where
// core.protectHFS is on, as it is on macOS.
func dotGitOnHFS(name string) bool {
	return strings.EqualFold(strings.Map(func(r rune) rune {
		if unseen(r) {
			return -1
		}
		return r
	}, name), ".git")
}

// unseen are the characters that HFS+ ignores in names (utf8.c, next_hfs_char).
func unseen(r rune) bool {
	return r >= 0x200c && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x206a && r <= 0x206f || r == 0xfeff
}
