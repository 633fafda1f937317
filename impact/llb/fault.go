package llb

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"rebuild/impact"
)

// faultOf turns the frontend's error into a fault with its line.
func faultOf(im impact.Image, err error) error {
	var pending *impact.Pending
	if errors.As(err, &pending) {
		return pending
	}
	f := &impact.Fault{Path: im.Dockerfile, Cause: cause(err)}
	var inner *impact.Fault
	if errors.As(err, &inner) {
		f.Cause, f.Hint = inner.Error(), inner.Hint
	}
	var at *parser.LocationError
	if errors.As(err, &at) && len(at.Locations) > 0 && len(at.Locations[0]) > 0 {
		f.Line = at.Locations[0][0].Start.Line
	}
	return f
}

// cause is the error's text in one line, lower case at its start.
func cause(err error) string {
	s := strings.Join(strings.Fields(err.Error()), " ")
	if rest, ok := strings.CutPrefix(s, "dockerfile parse error on line "); ok {
		if _, what, ok := strings.Cut(rest, ": "); ok {
			s = what
		}
	}
	return s
}

func noDockerfile(im impact.Image, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &impact.Fault{Path: im.Dockerfile, Cause: "no such Dockerfile", Hint: "image " + im.Name + " of " + im.Origin + " names it"}
	}
	return &impact.Fault{Path: im.Dockerfile, Cause: cause(err)}
}
