package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// licenceName is how files with a licence, or with what it wants to be told, are called.
var licenceName = regexp.MustCompile(`(?i)^(licen[cs]es?|copying|notices?|copyright|patents|unlicense)([-._].*)?$`)

// module is one that a program is linked with.
type module struct {
	Path, Version, Dir string
	Main               bool
	Replace            *module
}

// linked is a package as go list tells it.
type linked struct {
	Dir      string
	Standard bool
	Module   *module
}

// notices gives the licence texts of all that the programs are linked with on a platform,
// each text once. A module without one is an error.
func (r release) notices(ctx context.Context, p platform) ([]byte, error) {
	cmd := r.command(ctx, "go", append([]string{"list", "-deps", "-json=Dir,Standard,Module"}, programs...)...)
	cmd.Env = p.environ()
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	of := map[string]map[string]bool{} // file: whose it is
	has := map[string]bool{}           // modules, and whether they have a text
	for list := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg linked
		if err := list.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if pkg.Standard || pkg.Module == nil || pkg.Module.Main {
			continue
		}
		m := *pkg.Module
		name := m.Path + " " + m.Version
		if m.Replace != nil {
			m.Dir = m.Replace.Dir
		}
		texts, err := licences(pkg.Dir, m.Dir)
		if err != nil {
			return nil, err
		}
		has[name] = has[name] || len(texts) > 0
		for _, text := range texts {
			if of[text] == nil {
				of[text] = map[string]bool{}
			}
			of[text][name] = true
		}
	}
	for name, ok := range has {
		if !ok {
			return nil, fmt.Errorf("%s: it has no licence text", name)
		}
	}
	out, err = r.command(ctx, "go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	goRoot, goVersion, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	of[filepath.Join(goRoot, "LICENSE")] = map[string]bool{"Go, its runtime and standard library, " + goVersion: true}
	return join(of)
}

// licences are the files with licences in a package's folder, and in those above it up to
// the module's.
func licences(dir, root string) (texts []string, err error) {
	for {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !e.IsDir() && licenceName.MatchString(e.Name()) && filepath.Ext(e.Name()) != ".go" {
				texts = append(texts, filepath.Join(dir, e.Name()))
			}
		}
		if dir == root || len(dir) <= len(root) {
			return texts, nil
		}
		dir = filepath.Dir(dir)
	}
}

// join writes each text once, below all that it holds for.
func join(of map[string]map[string]bool) ([]byte, error) {
	holders := map[string]map[string]bool{}
	for file, names := range of {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		text := strings.TrimSpace(strings.ReplaceAll(string(data), "\r\n", "\n"))
		if holders[text] == nil {
			holders[text] = map[string]bool{}
		}
		maps.Copy(holders[text], names)
	}
	var parts []string
	for text, names := range holders {
		parts = append(parts, strings.Join(slices.Sorted(maps.Keys(names)), "\n")+"\n\n"+text+"\n")
	}
	slices.Sort(parts)
	const line = "\n------------------------------------------------------------------------\n\n"
	return []byte("rebuild is linked with what follows. Each text holds for what stands above it.\n" + line + strings.Join(parts, line)), nil
}
