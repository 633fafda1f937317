package catalog

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// fit is how well a folder serves as a build context.
type fit struct {
	dir     string
	present []string // sources that it has
	missing []string
	ignore  bool // it has a .dockerignore

	manifest string // the file that makes it a project of its own, "" when it has none
	more     bool   // it has more than Dockerfiles
}

// manifests are files that lie at the top of what is built as one.
var manifests = []string{
	"package.json", "go.mod", "Cargo.toml", "pom.xml", "build.gradle*", "build.sbt", "pyproject.toml", "setup.py", "requirements.txt", "Pipfile",
	"Gemfile", "composer.json", "mix.exs", "*.csproj", "*.fsproj", "*.sln", "CMakeLists.txt", "Package.swift", "pubspec.yaml", "project.clj", "stack.yaml",
}

// forOthers are folders that hold Dockerfiles, and what goes with them, for what lies
// elsewhere.
var forOthers = []string{
	"docker", ".docker", "dockerfile", "dockerfiles", "container", "containers", ".devcontainer", "build", "builds", "ci", ".ci", ".github", ".gitlab", ".circleci",
	"deploy", "deployment", "deployments", "infra", "ops", "packaging", "scripts", "hack", "k8s", "kubernetes",
}

// ofItsOwn tells whether a folder is a project by its place: nothing above it is there for
// Dockerfiles of others, nor is it itself.
func ofItsOwn(dir string) bool {
	return !slices.ContainsFunc(strings.Split(strings.ToLower(dir), "/"), func(name string) bool { return slices.Contains(forOthers, name) })
}

// choose takes the folder in which all of a Dockerfile's sources are: its own or,
// failing that, the nearest above. Where no source tells folders apart, the
// context is the root, which holds whatever is read.
func (im *foundImage) choose(ctx context.Context, l *listing) error {
	own := path.Dir(im.dockerfile)
	var fits []fit
	for dir := range upward(own) {
		f, err := im.fit(ctx, l, dir)
		if err != nil {
			return err
		}
		fits = append(fits, f)
	}
	im.decide(fits)
	return nil
}

func (im *foundImage) fit(ctx context.Context, l *listing, dir string) (fit, error) {
	f := fit{dir: dir}
	for _, s := range im.recipe.sources {
		h, err := l.holds(ctx, dir, s)
		if err != nil {
			return f, err
		}
		switch h {
		case present:
			f.present = append(f.present, s)
		case absent:
			f.missing = append(f.missing, s)
		}
	}
	h, err := l.holds(ctx, dir, ".dockerignore")
	f.ignore = h == present
	for _, name := range manifests {
		if h, err := l.holds(ctx, dir, name); err != nil {
			return f, err
		} else if h == present {
			f.manifest = name
			break
		}
	}
	if err != nil {
		return f, err
	}
	entries, err := l.read(ctx, dir)
	f.more = slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		role, _ := roleOf(e.Name())
		return role == noDockerfile && !strings.HasSuffix(e.Name(), ".dockerignore")
	})
	return f, err
}

// decide chooses among the folders, nearest first.
func (im *foundImage) decide(fits []fit) {
	own, root := fits[0], fits[len(fits)-1]
	if len(fits) == 1 {
		im.take(own, "the file lies in it")
		return
	}
	best := own
	for _, f := range fits {
		if len(f.present) > len(best.present) {
			best = f
		}
	}
	switch whole := firstComplete(fits); {
	case im.broken != nil:
		im.ambiguous(root, fits, "the file cannot be parsed")
	case whole != nil:
		im.take(*whole, "it has "+some(whole.present)+lacking(fits, *whole))
	case len(best.present) > 0 && unique(fits, best):
		im.take(best, fmt.Sprintf("it has %s, and no folder has %s", some(best.present), some(best.missing)))
	case len(own.missing) > 0:
		im.ambiguous(root, fits, "no folder has "+some(im.recipe.sources))
	case !im.recipe.whole && !im.recipe.unknown && len(im.recipe.sources) > 0:
		im.take(own, "nothing that the file reads of its context need be there")
	case !im.recipe.whole && !im.recipe.unknown:
		im.take(own, "the file reads nothing of its context")
	case own.ignore && own.more: // where it lies, it counts for that folder alone
		im.take(own, "it has a .dockerignore")
	case onlyIgnore(fits) != nil:
		im.take(*onlyIgnore(fits), "it has a .dockerignore")
	case im.recipe.whole && withManifest(fits) != nil:
		f := withManifest(fits)
		im.take(*f, "all of it is copied, and it has "+f.manifest)
	case im.recipe.whole && !im.recipe.unknown && own.more && ofItsOwn(own.dir) && !slices.ContainsFunc(fits, func(f fit) bool { return f.ignore }):
		im.take(own, "all of it is copied, and no folder above it looks like what is meant")
	default:
		im.ambiguous(root, fits, "nothing tells which folder is copied")
	}
}

func (im *foundImage) take(f fit, why string) { im.context, im.why = f.dir, why }

func (im *foundImage) ambiguous(root fit, fits []fit, why string) {
	im.context, im.why = root.dir, "ambiguous: "+why
	for _, f := range fits {
		im.open = append(im.open, f.dir)
	}
}

// firstComplete is the nearest folder that has all sources, at least one of them
// without help of a wildcard.
func firstComplete(fits []fit) *fit {
	for i, f := range fits {
		if len(f.missing) == 0 && len(f.present) > 0 {
			return &fits[i]
		}
	}
	return nil
}

// unique tells whether no other folder has as many sources.
func unique(fits []fit, best fit) bool {
	n := 0
	for _, f := range fits {
		if len(f.present) == len(best.present) {
			n++
		}
	}
	return n == 1
}

// onlyIgnore is the one folder below the root with a .dockerignore, or the root
// if it alone has one.
func onlyIgnore(fits []fit) *fit {
	var only *fit
	for i := range fits {
		if fits[i].ignore {
			if only != nil {
				return nil
			}
			only = &fits[i]
		}
	}
	return only
}

// withManifest is the nearest folder with a manifest.
func withManifest(fits []fit) *fit {
	for i := range fits {
		if fits[i].manifest != "" {
			return &fits[i]
		}
	}
	return nil
}

// lacking says what the nearer folders do not have.
func lacking(fits []fit, chosen fit) string {
	if fits[0].dir == chosen.dir {
		return ""
	}
	return ", " + fits[0].dir + " has not " + some(fits[0].missing)
}

// some words a list, the first of it if it is long.
func some(list []string) string {
	const enough = 3
	if len(list) > enough {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:enough], ", "), len(list)-enough)
	}
	return strings.Join(list, ", ")
}
