package llb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"

	"rebuild/impact"
)

// faultOf turns the frontend's error into a fault with its line.
func faultOf(im impact.Image, err error) error {
	var pending *impact.Pending
	if errors.As(err, &pending) {
		return pending
	}
	f := &impact.Fault{Path: im.DockerfileName(), Cause: cause(err)}
	var inner *impact.Fault
	if errors.As(err, &inner) {
		f.Cause, f.Hint = inner.Error(), inner.Hint
		if inner.Path == f.Path {
			f.Cause = inner.Cause
		}
	}
	var at *parser.LocationError
	if errors.As(err, &at) && len(at.Locations) > 0 && len(at.Locations[0]) > 0 {
		f.Line = at.Locations[0][0].Start.Line
	}
	if inner != nil && inner.Path == f.Path && inner.Line > 0 {
		f.Line = inner.Line
	}
	if f.Line > 0 && im.Unshown {
		f.Cause, f.Hint = unshown, ""
	}
	return f
}

// unshown is the cause of a fault in a file outside of the repository: a definition that came
// with a clone may name any file that the user can read, and logs are seen by others.
const unshown = "it cannot be converted; what it says is not shown, as it lies outside of the repository"

// cause is the error's text in one line, lower case at its start.
func cause(err error) string {
	s := strings.Join(strings.Fields(printable(err.Error())), " ")
	if rest, ok := strings.CutPrefix(s, "dockerfile parse error on line "); ok {
		if _, what, ok := strings.Cut(rest, ": "); ok {
			s = what
		}
	}
	return s
}

// printable replaces what would do something to a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || unicode.IsSpace(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// badIgnore finds the pattern of an ignore file that cannot be read, and gives the
// fault with its line; nil when all can be.
func badIgnore(ctx context.Context, im impact.Image, read impact.ReadFile) *impact.Fault {
	ignore, err := ignoreFile(ctx, im, read)
	if err != nil {
		return &impact.Fault{Path: ignore.File, Cause: cause(err)}
	}
	for _, p := range ignore.Patterns {
		if _, err := patternmatcher.New([]string{p}); err != nil {
			text, _ := read(ctx, ignore.File) // it was read just now; without, there is no line
			if path.IsAbs(ignore.File) {
				return &impact.Fault{Path: ignore.File, Line: lineOf(string(text), p), Cause: unshown}
			}
			return &impact.Fault{Path: ignore.File, Line: lineOf(string(text), p), Cause: fmt.Sprintf("pattern %q: %v", printable(p), err)}
		}
	}
	return nil
}

// lineOf is the line that holds a pattern, 0 when none does as it stands.
func lineOf(text, pattern string) int {
	n := 0
	for line := range strings.Lines(text) {
		n++
		if strings.Trim(strings.TrimSpace(line), "/") == strings.Trim(pattern, "/") {
			return n
		}
	}
	return 0
}

func noDockerfile(im impact.Image, err error) error {
	var out *impact.LinkError
	switch {
	case errors.As(err, &out):
		return &impact.Fault{Path: im.DockerfileName(), Cause: "a link leads out of the repository, to " + out.File + ", and BuildKit follows no such link"}
	case errors.Is(err, fs.ErrNotExist):
		return &impact.Fault{Path: im.DockerfileName(), Cause: "no such Dockerfile", Hint: "image " + im.Name + " of " + im.Origin + " names it"}
	}
	return &impact.Fault{Path: im.DockerfileName(), Cause: cause(err)}
}
