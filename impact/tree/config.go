package tree

import (
	"context"
	"strings"
)

// config is git's whole configuration: system, user, repository, includes.
type config map[string][]string

func readConfig(ctx context.Context, git program) (config, error) {
	out, err := git.run(ctx, "config", "--list", "-z")
	if err != nil {
		return nil, err
	}
	c := config{}
	for entry := range strings.SplitSeq(string(out), "\x00") {
		if entry == "" {
			continue
		}
		key, value, ok := strings.Cut(entry, "\n")
		if !ok {
			value = "true" // a key alone means true (git-config)
		}
		c[key] = append(c[key], value)
	}
	return c, nil
}

// get gives the last value, which is the one that counts.
func (c config) get(key string) string {
	if v := c[key]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// isTrue reads a boolean with the default that git gives it.
func (c config) isTrue(key string, otherwise bool) bool {
	if len(c[key]) == 0 {
		return otherwise
	}
	switch strings.ToLower(c.get(key)) {
	case "true", "yes", "on", "1":
		return true
	}
	return false
}

// section lists the variables of a section that are set.
func (c config) section(prefix string) []string {
	var names []string
	for key := range c {
		if name, ok := strings.CutPrefix(key, prefix+"."); ok {
			names = append(names, name)
		}
	}
	return names
}
