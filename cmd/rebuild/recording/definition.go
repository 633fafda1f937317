package recording

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"

	"rebuild/impact"
	"rebuild/impact/catalog"
)

// Definition is what a recording makes of a script.
type Definition struct {
	Text     []byte   // of the rebuild.yaml
	Images   int      // that it describes
	Phases   int      // that it declares
	Warnings []string // what is not as it seems, and what it cannot say
}

// Noted is what a rebuild.yaml keeps of its recording, for a later check.
type Noted struct {
	Command []string `json:"command"`
	Folder  string   `json:"folder"` // slash path from the root
}

// notedMark begins the line that keeps it.
const notedMark = "# rebuild record: "

// NotedIn reads what a file keeps; false when there is nothing.
func NotedIn(text []byte) (n Noted, line int, ok bool) {
	for l := range strings.Lines(string(text)) {
		line++
		rest, marked := strings.CutPrefix(strings.TrimSpace(l), notedMark)
		if marked && json.Unmarshal([]byte(rest), &n) == nil && len(n.Command) > 0 {
			return n, line, true
		}
	}
	return Noted{}, 0, false
}

// Define makes the definition of what a run asked for. critical are images whose failure
// ends the script.
func (s Script) Define(ctx context.Context, run *Run, critical []string, file string) (*Definition, error) {
	r, err := imagesOf(ctx, s.Root, run)
	if err != nil {
		return nil, err
	}
	def := &Definition{Images: len(r.images)}
	if same := sameInput(r.images); same != "" {
		def.Warnings = append(def.Warnings, same)
	}
	def.Warnings = append(def.Warnings, timely(r.images, s.Root, run.Began)...)
	var faults []string
	var taken way
	for _, how := range r.ways() {
		w := r.written(how, critical)
		w.Comments, w.Noted = comments, s.noted()
		found := s.faults(ctx, r, w, file)
		if def.Text == nil || len(found) < len(faults) {
			faults, taken = found, how
			def.Text, def.Phases = w.Text(), len(w.Phases)
		}
		if len(faults) == 0 {
			break
		}
	}
	r.warnOfSecrets()
	if holdsSecret(s.Command) {
		r.warnings.add("the command is not noted in the file, as it holds what looks like a secret, so --check is to be given it: %s", strings.Join(Shown(s.Command), " "))
	}
	for _, im := range r.images {
		if taken.definitions && im.named {
			continue // its definition has the words
		}
		for _, what := range im.unworded {
			r.warnings.add(what+" is left out, for which a rebuild.yaml has no word: %s", im.label())
		}
	}
	def.Warnings = append(def.Warnings, r.warnings.lines()...)
	for _, f := range slices.DeleteFunc(faults, func(f string) bool { return f == "" }) {
		def.Warnings = append(def.Warnings, "the file does not say all that the script does: "+f)
	}
	return def, nil
}

// faults says what a file would not say of the script. Images of a definition that the
// script does not build are left out.
func (s Script) faults(ctx context.Context, r *replay, w *catalog.Written, file string) []string {
	cat, err := s.load(ctx, w.Text(), file)
	if err == nil && len(w.Definitions) > 0 {
		for _, im := range unbuilt(r.images, cat) {
			w.LeftOut = append(w.LeftOut, im.Name)
		}
		if len(w.LeftOut) > 0 {
			cat, err = s.load(ctx, w.Text(), file)
		}
	}
	if err != nil {
		return append([]string{err.Error()}, make([]string, len(r.images))...) // worse than any that can be read
	}
	list := differences(s.Root, r.images, cat)
	unasked, err := catalog.Select(cat, nil, false)
	if err != nil {
		return append(list, err.Error())
	}
	for _, im := range r.images { // bake's default group may leave some out
		if other, ok := counterpart(im, cat); ok && !slices.Contains(unasked, other.Name) {
			list = append(list, im.label()+": it is not built unasked")
		}
	}
	return list
}

// Check lists what a run does otherwise than the file says.
func (s Script) Check(ctx context.Context, run *Run, file string, text []byte) ([]string, *Definition, error) {
	r, err := imagesOf(ctx, s.Root, run)
	if err != nil {
		return nil, nil, err
	}
	cat, err := s.load(ctx, text, file)
	if err != nil {
		return nil, nil, err
	}
	def := &Definition{Images: len(r.images), Warnings: r.warnings.lines()}
	if same := sameInput(r.images); same != "" {
		def.Warnings = append(def.Warnings, same)
	}
	return append(differences(s.Root, r.images, cat), lacking(r.images, cat)...), def, nil
}

// comments are the words that the file begins with.
var comments = []string{
	"The images that this repository's own build script makes. What the script does and",
	"this file does not know, says: rebuild record --check",
}

// noted words what the file keeps, in one line of characters that YAML takes; "" when that
// would give a secret away.
func (s Script) noted() string {
	if holdsSecret(s.Command) {
		return ""
	}
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(Noted{Command: s.Command, Folder: fromRoot(s.Root, s.Dir)}) // strings always encode
	out := strings.TrimPrefix(notedMark, "# ")
	for _, r := range strings.TrimSpace(text.String()) {
		switch {
		case unicode.IsPrint(r):
			out += string(r)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				out += fmt.Sprintf("\\u%04x", unit)
			}
		}
	}
	return out
}

// overlay is the working tree with one file of another text.
type overlay struct {
	disk
	name string
	text []byte
}

// ReadFile reads a file.
func (o overlay) ReadFile(ctx context.Context, name string) ([]byte, error) {
	if name == o.name {
		return o.text, nil
	}
	return o.disk.ReadFile(ctx, name)
}

// load reads a rebuild.yaml that need not be there yet.
func (s Script) load(ctx context.Context, text []byte, file string) (impact.Catalog, error) {
	name := path.Clean(fromRoot(s.Root, file))
	opt := catalog.Options{Root: s.Root, Files: []string{name}, Env: withoutSecrets}
	if filepath.IsAbs(filepath.FromSlash(name)) {
		opt.Read = func(at string) ([]byte, error) {
			if filepath.ToSlash(at) == name {
				return text, nil
			}
			return nil, fs.ErrNotExist
		}
	}
	return catalog.Load(ctx, overlay{disk{s.Root}, name, text}, opt)
}

// way is how images are put into words: the shortest that says all is taken.
type way struct {
	definitions bool // those of bake and compose stay in their files
	derived     bool // images that come of others are derived
	phases      bool
}

func (r *replay) ways() []way {
	var out []way
	for _, definitions := range []bool{true, false} {
		if definitions && len(r.files) != 1 {
			continue
		}
		out = append(out, way{definitions, true, true}, way{definitions, false, true}, way{definitions, false, false})
	}
	return out
}

// written words the images.
func (r *replay) written(how way, critical []string) *catalog.Written {
	r.name()
	w := &catalog.Written{}
	derived := map[*Image]*derivation{}
	if how.derived {
		for _, im := range r.images {
			if !im.generic {
				continue
			}
			if d := derive(im, r.images); d != nil {
				derived[im] = d
				im.Name = d.name()
			}
		}
	}
	if how.definitions {
		w.Definitions = r.files[0]
	}
	for _, im := range r.images {
		if derived[im] != nil || how.definitions && im.named {
			continue
		}
		w.Images = append(w.Images, r.writtenImage(im))
	}
	if how.phases {
		r.phases(w, derived, critical)
	}
	return w
}

func (r *replay) writtenImage(im *Image) catalog.WrittenImage {
	out := catalog.WrittenImage{Image: im.Image, FromEnvironment: slices.Clone(im.fromEnv)}
	for _, name := range secretArgs(im) {
		if !slices.Contains(out.FromEnvironment, name) {
			out.FromEnvironment = append(out.FromEnvironment, name)
		}
	}
	if isAbs := filepath.IsAbs(filepath.FromSlash(im.Context)); isAbs && im.Inline == "" { // from where no way leads to it
		out.Dockerfile = filepath.ToSlash(r.abs(im.Dockerfile))
	}
	if im.anyPlatform {
		out.Platforms = nil
	}
	if im.generic {
		for _, o := range r.images {
			if o.generic || o.text != im.text {
				continue
			}
			out.Dockerfile, out.Inline = o.Dockerfile, ""
			if inputOf(o) == inputOf(im) { // what it should be else, the script fails to say
				out.Comments = append(out.Comments, "from the same input as "+o.label())
			}
			break
		}
	}
	return out
}

// phases declares the sections of the script as phases, where they do not contradict what
// is built on what.
func (r *replay) phases(w *catalog.Written, derived map[*Image]*derivation, critical []string) {
	list := sections(r.images, derived)
	fine, wrong := ordered(list, r.images)
	if !fine {
		r.warnings.add("the script builds %s: its order is no order of phases, so these are left to rebuild", wrong)
	}
	if !fine || len(list) < 2 && len(derived) == 0 && len(critical) == 0 {
		if len(derived) == 0 {
			return
		}
		var only []section // a derivation needs its phase
		for _, s := range list {
			if s.derived != nil {
				only = append(only, s)
			}
		}
		list = only
	}
	for _, s := range list {
		ph := catalog.WrittenPhase{Name: s.name}
		var names []string
		for _, im := range s.images {
			ph.Critical = ph.Critical || slices.Contains(critical, im.Name)
			if d := derived[im]; d != nil {
				names = append(names, d.of.Name)
			} else {
				names = append(names, im.Name)
			}
		}
		if s.derived != nil {
			ph.Derive = &catalog.WrittenDerivation{From: names, Rename: s.derived.rename, Replace: s.derived.replace, Substitute: s.derived.substitute}
		} else {
			ph.Images = names
		}
		w.Phases = append(w.Phases, ph)
	}
}
