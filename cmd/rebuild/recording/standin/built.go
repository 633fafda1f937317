package standin

import (
	"fmt"
	"slices"
	"strings"
)

// image is one that counts as built.
type image struct {
	id   string
	tags []string // canonical
}

// builtImages are all that count as built, in order.
type builtImages []*image

// built replays the calls so far.
func (s *standIn) built() (builtImages, error) {
	calls, err := Calls(s.folder)
	if err != nil {
		return nil, err
	}
	var all builtImages
	for _, c := range calls {
		switch {
		case c.Exit != 0:
		case c.Definition != nil:
			for i, tag := range c.Tags { // of images that have no id each
				all = append(all, &image{id: "sha256:" + digest(fmt.Sprint(c.ID, i))})
				all.tag(all[len(all)-1], tag)
			}
		case c.Build != nil:
			all = append(all, &image{id: c.ID})
			for _, tag := range c.Tags {
				all.tag(all[len(all)-1], tag)
			}
		case len(c.Tag) == 2:
			if im, ok := all.find(c.Tag[0]); ok {
				all.tag(im, c.Tag[1])
			}
		case c.Removed != nil:
			for _, ref := range c.Removed {
				if im, ok := all.find(ref); ok {
					im.tags = slices.DeleteFunc(im.tags, func(t string) bool { return t == canonical(ref) })
				}
			}
		}
	}
	return all, nil
}

// tag moves a tag to an image.
func (b builtImages) tag(to *image, ref string) {
	ref = canonical(ref)
	for _, im := range b {
		im.tags = slices.DeleteFunc(im.tags, func(t string) bool { return t == ref })
	}
	to.tags = append(to.tags, ref)
}

// find seeks an image by its tag or its id, whole or short.
func (b builtImages) find(ref string) (*image, bool) {
	full := canonical(ref)
	for _, im := range b {
		if slices.Contains(im.tags, full) {
			return im, true
		}
	}
	id := strings.TrimPrefix(ref, "sha256:")
	if len(id) < 4 {
		return nil, false
	}
	for _, im := range b {
		if strings.HasPrefix(strings.TrimPrefix(im.id, "sha256:"), id) {
			return im, true
		}
	}
	return nil, false
}

// tag takes down docker tag. One of an image that was not built is the real program's.
func (s *standIn) tag(c command) (int, error) {
	if len(c.args) != 2 {
		return s.real()
	}
	built, err := s.built()
	if err != nil {
		return failed, err
	}
	if _, ok := built.find(c.args[0]); !ok {
		return s.real()
	}
	if err := validTag(c.args[1]); err != nil {
		fmt.Fprintf(s.stderr, "Error parsing reference: %v\n", err)
		return 1, nil
	}
	call, err := s.begin()
	if err != nil {
		return failed, err
	}
	call.Tag = c.args
	if s.settings.Through {
		if call.Exit, err = s.runReal(s.args, s.stdin, s.stdout, s.stderr); err != nil {
			return failed, err
		}
	}
	return call.Exit, call.write(s.folder)
}

// remove says that nothing is removed, where docker would remove what was built. The
// recording keeps the image: it was built.
func (s *standIn) remove(c command) (int, error) {
	built, err := s.built()
	if err != nil {
		return failed, err
	}
	var own []string
	for _, a := range c.args {
		if _, ok := built.find(a); ok {
			own = append(own, a)
		}
	}
	if own == nil {
		return s.real()
	}
	s.say("%s: nothing is removed", s.line())
	for _, ref := range own {
		fmt.Fprintf(s.stdout, "Untagged: %s\n", familiar(ref))
	}
	return 0, nil
}

// pull finds an image that was built; others are the real program's.
func (s *standIn) pull(c command) (int, error) {
	built, err := s.built()
	if err != nil {
		return failed, err
	}
	for _, a := range c.args {
		if _, ok := built.find(a); ok {
			s.say("%s: it was built, nothing is pulled", s.line())
			return 0, nil
		}
	}
	return s.real()
}
