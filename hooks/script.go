package hooks

import (
	"path/filepath"
	"strings"
)

// Command is what a hook runs.
type Command struct {
	Program string   // absolute path of the program that installs the hook
	Args    []string // of it; what git gives the hook follows
}

const (
	keptName = "pre-push.before-rebuild"
	// mark tells our hook file from others.
	mark = `# Written by "rebuild hook install"; "rebuild hook uninstall" takes it away.`
	// gone is said when there is no program to run.
	gone = "rebuild: warning: the program is not there any more, so this push is not checked"
)

// script is the hook file. The program that installed it comes first: another one
// of that name may be on the PATH. A kept hook reads standard input before it, so
// that is read once and given to both.
func (c Command) script() string {
	return `#!/bin/sh
` + mark + `
kept=${0%/*}/` + keptName + `
if [ -x "$kept" ]; then
	refs=$(cat)
	{ [ -z "$refs" ] || printf '%s\n' "$refs"; } 2>/dev/null | "$kept" "$@" || exit
	exec <<REFS
$refs
REFS
fi
[ "$REBUILD" != 0 ] || exit 0
` + c.run() + ` "$@"
`
}

// oneLine is the same for git's configuration, which adds "$@" itself and runs other
// hooks by itself.
func (c Command) oneLine() string {
	return strings.ReplaceAll(`[ "$REBUILD" != 0 ] || exit 0
`+c.run(), "\n", "; ")
}

// run is what both end in, without the hook's own arguments. The program's guard
// lies beside it, or is not there.
func (c Command) run() string {
	return `rebuild=` + quote(filepath.ToSlash(c.Program)) + `
[ -x "$rebuild" ] || rebuild=$(command -v rebuild) || { echo ` + quote(gone) + ` >&2; exit 0; }
guard=${rebuild%.exe}-pre-push
[ ! -x "$guard" ] || exec "$guard" "$rebuild" ` + c.arguments() + ` "$@"
exec "$rebuild" ` + c.arguments()
}

// Line is what a user adds to a hook file of his own.
func (c Command) Line() string { return "rebuild " + c.arguments() + ` "$@"` }

func (c Command) arguments() string {
	words := make([]string, len(c.Args))
	for i, arg := range c.Args {
		words[i] = quote(arg)
	}
	return strings.Join(words, " ")
}

// quote makes one word of the shell of any text.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
