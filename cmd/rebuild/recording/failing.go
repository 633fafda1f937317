package recording

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"rebuild/cmd/rebuild/recording/standin"
)

// Failing is what a script does when an image fails.
type Failing struct {
	Words   string
	Stops   []string // names of the images whose failure ends the script
	Unknown bool     // no build was that image's
}

// Failing compares a run in which an image failed with one in which none did.
func (s Script) Failing(ctx context.Context, image string, whole, run *Run) (*Failing, error) {
	at := slices.IndexFunc(run.Calls, func(c *standin.Call) bool { return c.Forced })
	if at < 0 {
		return &Failing{Unknown: true, Words: fmt.Sprintf("--fail %s: the script builds no such image", image)}, nil
	}
	all, err := imagesOf(ctx, s.Root, whole)
	if err != nil {
		return nil, err
	}
	built, err := imagesOf(ctx, s.Root, run)
	if err != nil {
		return nil, err
	}
	forced := map[string]bool{}
	for _, c := range run.Calls {
		if c.Forced {
			for _, t := range canonicalTags(c.Tags) {
				forced[t] = true
			}
		}
	}
	f := &Failing{}
	var failed, missing []string
	for _, im := range all.images {
		isForced := slices.ContainsFunc(im.Refs, func(r string) bool { return forced[r] })
		switch {
		case isForced:
			failed = append(failed, im.label())
		case !slices.ContainsFunc(built.images, func(b *Image) bool {
			return slices.ContainsFunc(b.Refs, func(r string) bool { return slices.Contains(im.Refs, r) })
		}):
			missing = append(missing, im.label())
		}
	}
	asked := func(c *standin.Call) bool { return (c.Build != nil || c.Definition != nil) && !c.Forced }
	goesOn := slices.ContainsFunc(run.Calls[at:], asked)
	follows := slices.IndexFunc(whole.Calls, func(c *standin.Call) bool {
		return slices.ContainsFunc(canonicalTags(c.Tags), func(t string) bool { return forced[t] })
	})
	last := follows < 0 || !slices.ContainsFunc(whole.Calls[follows+1:], asked)
	switch what := strings.Join(failed, ", "); {
	case last:
		f.Words = fmt.Sprintf("when %s fails, nothing else is left to build; the script ends with %d", what, run.Exit)
	case !goesOn:
		f.Words = fmt.Sprintf("when %s fails, the script stops with %d, without %s", what, run.Exit, several(missing))
		for _, im := range all.images {
			if slices.ContainsFunc(im.Refs, func(r string) bool { return forced[r] }) {
				f.Stops = append(f.Stops, im.Name)
			}
		}
	case len(missing) > 0:
		f.Words = fmt.Sprintf("when %s fails, the script goes on without %s; it ends with %d", what, several(missing), run.Exit)
	default:
		f.Words = fmt.Sprintf("when %s fails, the script builds all others; it ends with %d", what, run.Exit)
	}
	return f, nil
}

// several names the first of many.
func several(names []string) string {
	text := strings.Join(names[:min(named, len(names))], ", ")
	if len(names) > named {
		text += fmt.Sprintf(" and %d more", len(names)-named)
	}
	return text
}
