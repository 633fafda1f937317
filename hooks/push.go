package hooks

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Push is what git tells a pre-push hook: where to, and which refs.
type Push struct {
	Remote  string // its name, or its URL when it has none
	URL     string
	Updates []Update
}

// Update is one ref of a push. An id of zeros means that there is none.
type Update struct {
	LocalRef  string // as it was typed, for one that is no ref
	Local     string // object id
	RemoteRef string
	Remote    string // object id that the remote has now
}

// Deletes tells whether the push takes the ref away.
func (u Update) Deletes() bool { return IsZero(u.Local) }

// IsNew tells whether the remote does not have the ref yet.
func (u Update) IsNew() bool { return IsZero(u.Remote) }

// IsTag tells whether the ref is a tag at the remote.
func (u Update) IsTag() bool { return strings.HasPrefix(u.RemoteRef, "refs/tags/") }

// Zero is git's id of no object, in a repository of SHA-1 ids.
const Zero = "0000000000000000000000000000000000000000"

// IsZero tells whether an object id is that of no object, of whatever hash.
func IsZero(id string) bool { return strings.Trim(id, "0") == "" }

// ReadPush reads the arguments and the standard input of a pre-push hook
// (githooks(5)): the remote's name and URL, and a line for each ref. There are no
// lines when all is up to date.
func ReadPush(args []string, stdin io.Reader) (Push, error) {
	p := Push{}
	if len(args) > 0 {
		p.Remote = args[0]
	}
	if len(args) > 1 {
		p.URL = args[1]
	}
	lines := bufio.NewScanner(stdin)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		u, ok := parseUpdate(line)
		if !ok {
			return Push{}, fmt.Errorf("pre-push: line %d of standard input: want LOCAL-REF LOCAL-ID REMOTE-REF REMOTE-ID, got %q", n, line)
		}
		p.Updates = append(p.Updates, u)
	}
	if err := lines.Err(); err != nil {
		return Push{}, fmt.Errorf("pre-push: standard input: %w", err)
	}
	return p, nil
}

// parseUpdate splits a line from its end: what is pushed may have been typed with
// spaces in it (HEAD@{1 day ago}).
func parseUpdate(line string) (Update, bool) {
	words := strings.Split(line, " ")
	if len(words) < 4 {
		return Update{}, false
	}
	ends := words[len(words)-3:]
	u := Update{LocalRef: strings.Join(words[:len(words)-3], " "), Local: ends[0], RemoteRef: ends[1], Remote: ends[2]}
	return u, isID(u.Local) && isID(u.Remote)
}

func isID(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

// FromPreCommit is the push as the pre-commit framework tells its hooks of it: by
// the environment, and of the first ref only. ok is false when it runs none.
func FromPreCommit(getenv func(string) string) (p Push, ok bool) {
	u := Update{
		LocalRef: getenv("PRE_COMMIT_LOCAL_BRANCH"), Local: getenv("PRE_COMMIT_TO_REF"),
		RemoteRef: getenv("PRE_COMMIT_REMOTE_BRANCH"), Remote: getenv("PRE_COMMIT_FROM_REF"),
	}
	if !isID(u.Local) {
		return Push{}, false
	}
	if !isID(u.Remote) {
		u.Remote = Zero
	}
	return Push{Remote: getenv("PRE_COMMIT_REMOTE_NAME"), URL: getenv("PRE_COMMIT_REMOTE_URL"), Updates: []Update{u}}, true
}
