package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// debian makes a Debian package of what an archive holds, by nfpm.yaml, and gives its name.
func (r release) debian(ctx context.Context, p platform, files []file, tree, dir string) (string, error) {
	var copyright []byte
	for _, f := range files {
		name, data := f.Name, f.Data
		var err error
		switch {
		case name == "LICENSE" || name == "NOTICES": // in this order
			copyright = append(append(copyright, data...), '\n')
			name, data = "copyright", copyright
		case name == "CHANGELOG.md" || strings.HasPrefix(name, "man/"): // as Debian's policy wants them
			name += ".gz"
			data, err = compressed(data)
		}
		path := filepath.Join(tree, filepath.FromSlash(name))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o755)
		}
		if err == nil {
			err = os.WriteFile(path, data, 0o644)
		}
		if err == nil {
			err = os.Chtimes(path, r.made, r.made)
		}
		if err != nil {
			return "", err
		}
	}
	version := debianVersion(r.Version, r.made.Format("20060102"))
	name := fmt.Sprintf("rebuild_%s_%s.deb", version, p.Arch)
	cmd := r.command(ctx, "nfpm", "package", "--config", filepath.Join(r.Root, ".ci", "release", "nfpm.yaml"), "--packager", "deb", "--target", filepath.Join(dir, name))
	cmd.Dir = tree // the paths of nfpm.yaml begin here
	cmd.Env = append(os.Environ(), "VERSION="+version, "ARCH="+p.Arch, fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.made.Unix()))
	if out, err := cmd.Output(); err != nil {
		return "", fmt.Errorf("nfpm: %w\n%s", err, out)
	}
	return name, nil
}

// described is a version as git describe gives it: a tag of numbers with dots, a
// pre-release, what came after the tag.
var described = regexp.MustCompile(`^v?(\d+(?:\.\d+)+)(-[0-9A-Za-z.]+?)?(-\d+-g[0-9a-f]+)?(-dirty)?$`)

// debianVersion is a version in Debian's order: a pre-release before its release (~), what
// was committed after a tag behind it (+), and what has no tag before every version.
func debianVersion(version, day string) string {
	m := described.FindStringSubmatch(version)
	if m == nil {
		return "0~" + day + "." + strings.ReplaceAll(version, "-", ".")
	}
	part := func(s, sign string) string {
		if s == "" {
			return ""
		}
		return sign + strings.ReplaceAll(s[1:], "-", ".")
	}
	return m[1] + part(m[2], "~") + part(m[3], "+") + part(m[4], "+")
}
