package impact

import (
	"fmt"
	"slices"
)

// noteGit notes what a layer reads of git's own that nobody may have meant.
func (s *State) noteGit(sel Selection, l Layer, rd *Reading) {
	if l.Op == Everything {
		return // it stands for instructions that nobody knows, or that have their own
	}
	place := fmt.Sprintf("%s:%d: %s", l.File, l.Line, l.Instruction)
	if rd.TakesGit {
		s.takesGit = append(s.takesGit, gitTaken{place, sel.Ignore.File})
	}
	for _, module := range rd.Empty {
		text := fmt.Sprintf("%s: a commit does not hold the files of submodule %s: its folder is empty", place, module)
		if !slices.Contains(s.Warnings, text) {
			s.Warnings = append(s.Warnings, text)
		}
	}
}

// gitTaken is an instruction that copies .git with all the rest.
type gitTaken struct{ place, ignoreFile string }

// warnOfGit says, once for all images that are asked for, that .git is copied. Against the
// last builds it counts, against a commit it does not.
func (p *Plan) warnOfGit(target *Snapshot) {
	var taken []gitTaken
	for _, im := range p.Images {
		for _, t := range target.States[im.Name].takesGit {
			if im.Selected && !slices.Contains(taken, t) {
				taken = append(taken, t)
			}
		}
	}
	if len(taken) == 0 {
		return
	}
	first, more := taken[0], ""
	if n := len(taken) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more do)", n)
	}
	if first.ignoreFile == "" {
		first.ignoreFile = ".dockerignore"
	}
	p.Warnings = append(p.Warnings, fmt.Sprintf("%s takes .git along%s, which every commit changes; against a commit that is no change: write .git into %s",
		first.place, more, first.ignoreFile))
}
