package catalog

import (
	"fmt"
	"maps"
	"slices"

	"rebuild/impact"
	"rebuild/impact/spelling"
)

// Select gives the images that the arguments of a command mean, in definition
// order. An argument is a group, an image's name, a tag (familiar or full), or a
// pattern over the names, or, where no name matches, over the tags. Without
// arguments it is the default of the definition, and all where it has none;
// all selects all.
//
// As in bake, a name that is a group's and an image's means the group.
func Select(cat impact.Catalog, args []string, all bool) ([]string, error) {
	if fault := cat.BadGroups["default"]; fault != nil && len(args) == 0 && !all {
		return nil, fault
	}
	cat = wanted(cat, args)
	if len(args) == 0 && len(cat.Default) == 0 {
		return cat.Names(), nil
	}
	chosen := map[string]bool{}
	if len(args) == 0 {
		for _, n := range cat.Default {
			chosen[n] = true
		}
	}
	for _, arg := range args {
		names, err := selected(cat, arg)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			chosen[n] = true
		}
	}
	if all {
		return cat.Names(), nil
	}
	return slices.DeleteFunc(cat.Names(), func(n string) bool { return !chosen[n] }), nil
}

// wanted is the catalog without the images that nobody wants and no argument names.
func wanted(cat impact.Catalog, args []string) impact.Catalog {
	cat.Images = slices.DeleteFunc(slices.Clone(cat.Images), func(im impact.Image) bool {
		return im.Unwanted && !slices.Contains(args, im.Name) && !slices.ContainsFunc(args, func(arg string) bool { return slices.Contains(im.Refs, canonical(arg)) })
	})
	return cat
}

func selected(cat impact.Catalog, arg string) ([]string, error) {
	if names, ok := cat.Groups[arg]; ok {
		return names, nil
	}
	if fault := cat.BadGroups[arg]; fault != nil {
		return nil, fault
	}
	if _, ok := cat.Image(arg); ok {
		return []string{arg}, nil
	}
	if names := tagged(cat, func(im impact.Image) bool { return slices.Contains(im.Refs, canonical(arg)) }); names != nil {
		return names, nil
	}
	if isPattern(arg) {
		return byPattern(cat, arg)
	}
	return nil, &UnknownImage{Name: arg, Fault: &impact.Fault{
		Cause: fmt.Sprintf("unknown image %q%s", arg, spelling.DidYouMean(arg, known(cat))),
		Hint:  "rebuild graph lists the images",
	}}
}

// UnknownImage says that an argument names no image, group or tag.
type UnknownImage struct {
	Name string
	*impact.Fault
}

// Unwrap gives the fault.
func (u *UnknownImage) Unwrap() error { return u.Fault }

func byPattern(cat impact.Catalog, pattern string) ([]string, error) {
	if err := badPattern(pattern); err != nil {
		return nil, &impact.Fault{Cause: err.Error()}
	}
	if names := matching([]string{pattern}, cat.Names()); names != nil {
		return names, nil
	}
	names := tagged(cat, func(im impact.Image) bool {
		return slices.ContainsFunc(im.Tags, func(t string) bool { return matches(pattern, t) })
	})
	if names == nil {
		return nil, &impact.Fault{Cause: fmt.Sprintf("no image matches %q", pattern), Hint: "rebuild graph lists the images"}
	}
	return names, nil
}

func tagged(cat impact.Catalog, has func(impact.Image) bool) []string {
	var names []string
	for _, im := range cat.Images {
		if has(im) {
			names = append(names, im.Name)
		}
	}
	return names
}

// known are all words that an argument can be.
func known(cat impact.Catalog) []string {
	out := append(cat.Names(), slices.Sorted(maps.Keys(cat.Groups))...)
	for _, im := range cat.Images {
		out = append(out, im.Tags...)
	}
	return out
}
