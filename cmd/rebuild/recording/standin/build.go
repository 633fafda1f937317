package standin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"rebuild/impact/catalog/commandline"
)

// build takes down a docker build.
func (s *standIn) build(c command) (int, error) {
	set := commandline.BuildFlags
	switch s.program {
	case "podman":
		set = commandline.PodmanBuildFlags
	case "nerdctl":
		set = commandline.NerdctlBuildFlags
	}
	flags, rest, err := set.Parse(c.args, false)
	if err != nil {
		return s.refuse("%v\nSee '%s build --help'.", err, s.program)
	}
	if call := commandline.Last(flags, "call"); commandline.On(flags, "check") || call != "" && call != "build" || commandline.Last(flags, "print") != "" {
		return s.real() // nothing is built
	}
	if len(rest) == 0 && s.program == "podman" { // buildah's own default
		rest = []string{"."}
	}
	if len(rest) != 1 {
		return s.refuse("'%s build' requires 1 argument", s.program)
	}
	call, err := s.begin()
	if err != nil {
		return failed, err
	}
	b := &Build{Flags: s.resolved(flags), Context: rest[0]}
	call.Build, call.Tags = b, commandline.All(flags, "tag")
	stdin, err := s.dockerfile(b, call)
	for _, tag := range call.Tags {
		if err == nil {
			err = validTag(tag)
		}
	}
	if err != nil {
		call.Exit = 1
		fmt.Fprintf(s.stderr, "ERROR: %v\n", err)
		return 1, call.write(s.folder)
	}
	if !worded(b) && call.Lacking == "" {
		call.Lacking = "it has bytes that are no UTF-8, which a rebuild.yaml cannot hold"
	}
	call.ID = imageID(call, b)
	return s.finish(call, stdin, func() error { return s.told(call, flags) })
}

// worded tells whether a call can be taken down to the byte: JSON and YAML hold UTF-8.
func worded(b *Build) bool {
	ok := utf8.ValidString(b.Context) && utf8.ValidString(b.Text)
	for _, f := range b.Flags {
		ok = ok && utf8.ValidString(f.Value)
	}
	return ok
}

// refuse says what docker says of arguments that it does not take.
func (s *standIn) refuse(format string, args ...any) (int, error) {
	fmt.Fprintf(s.stderr, "%s: %s\n", s.program, fmt.Sprintf(format, args...))
	return failed, nil
}

// resolved gives build arguments without a value the one that the script has set. One that
// the script found in its environment stays without: there it is found later, too.
func (s *standIn) resolved(flags []commandline.Flag) []commandline.Flag {
	var out []commandline.Flag
	for _, f := range flags {
		if f.Name == "build-arg" && !strings.Contains(f.Value, "=") {
			v, ok := os.LookupEnv(f.Value)
			if !ok {
				continue // as docker: it is not given
			}
			if s.settings.Env[f.Value] != digest(v) {
				f.Value += "=" + v
			}
		}
		out = append(out, f)
	}
	return out
}

// maxDockerfile bounds what is read from standard input, in bytes.
const maxDockerfile = 16 << 20

// dockerfile reads the Dockerfile of a build, wherever it comes from. The error is one of
// which docker would fail as well. It gives what was read of standard input.
func (s *standIn) dockerfile(b *Build, call *Call) ([]byte, error) {
	file := commandline.Last(b.Flags, "file")
	remote := remoteContext.MatchString(b.Context)
	if !remote && b.Context != "-" {
		if fi, err := os.Stat(b.Context); err != nil || !fi.IsDir() {
			return nil, fmt.Errorf("unable to prepare context: path %q not found", b.Context)
		}
	}
	switch {
	case file == "-" && b.Context == "-":
		return nil, errors.New("invalid argument: can't use stdin for both build context and dockerfile")
	case file == "-" || b.Context == "-":
		text, err := io.ReadAll(io.LimitReader(s.stdin, maxDockerfile))
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(text)) == 0 {
			return nil, errors.New("the Dockerfile (Dockerfile) cannot be empty")
		}
		if b.Context == "-" {
			if isArchive(text) {
				call.Lacking = "its context is an archive on standard input, which a definition cannot name: give docker build a folder"
				return text, nil
			}
			b.Bare = true
		}
		b.Stdin, b.Text = true, string(text)
		return text, nil
	case remote:
		return nil, nil
	}
	var tries []string
	switch {
	case file == "" && s.program == "podman":
		tries = []string{filepath.Join(b.Context, "Containerfile"), filepath.Join(b.Context, "Dockerfile")}
	case file == "":
		tries = []string{filepath.Join(b.Context, "Dockerfile")}
	case s.program == "podman" && !filepath.IsAbs(file): // buildah looks in the context, too
		tries = []string{file, filepath.Join(b.Context, file)}
	default:
		tries = []string{file}
	}
	for _, name := range tries {
		fi, err := os.Stat(name)
		if err != nil {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		b.File, b.Text, b.Made = name, string(text), fi.Mode().IsRegular() && fi.ModTime().UnixNano() >= s.settings.Began
		if !fi.Mode().IsRegular() { // <(sed ...), /dev/stdin
			b.Stdin, b.File = true, ""
		}
		return nil, nil
	}
	return nil, fmt.Errorf("failed to read dockerfile: open %s: no such file or directory", path.Base(filepath.ToSlash(tries[0])))
}

var remoteContext = regexp.MustCompile(`^(https?|git|ssh)://|^git@|^github\.com/`)

// isArchive tells a tar, plain or packed, from a Dockerfile (docker/cli
// cli/command/image/build DetectArchiveReader).
func isArchive(data []byte) bool {
	for _, magic := range []string{"\x1f\x8b", "BZh", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd"} {
		if bytes.HasPrefix(data, []byte(magic)) {
			return true
		}
	}
	return len(data) > 262 && string(data[257:262]) == "ustar"
}

// finish has a build fail or be done for real, writes it down, and tells the script.
func (s *standIn) finish(call *Call, stdin []byte, told func() error) (int, error) {
	switch {
	case s.toFail(call):
		call.Exit, call.Forced = 1, true
		fmt.Fprintf(s.stderr, "ERROR: failed to build %s: rebuild record --fail\n", strings.Join(call.Tags, ", "))
		return 1, call.write(s.folder)
	case s.settings.Through:
		var last lastLine
		var in io.Reader = s.stdin
		if stdin != nil {
			in = bytes.NewReader(stdin)
		}
		code, err := s.runReal(s.args, in, io.MultiWriter(s.stdout, &last), s.stderr)
		if err != nil {
			return code, err
		}
		if id := strings.TrimSpace(last.text()); call.Build != nil && wholeID.MatchString(id) {
			call.ID = id
		}
		if call.Build != nil {
			if id, err := os.ReadFile(commandline.Last(call.Build.Flags, "iidfile")); err == nil && wholeID.Match(id) {
				call.ID = string(id)
			}
		}
		call.Exit = code
		return code, call.write(s.folder)
	}
	if err := call.write(s.folder); err != nil {
		return failed, err
	}
	return 0, told()
}

var wholeID = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// lastLine remembers the last line that is written through it.
type lastLine struct{ buf []byte }

func (l *lastLine) Write(p []byte) (int, error) {
	l.buf = append(l.buf, p...)
	if at := bytes.LastIndexByte(bytes.TrimRight(l.buf, "\n"), '\n'); at >= 0 {
		l.buf = l.buf[at+1:]
	}
	return len(p), nil
}

func (l *lastLine) text() string { return string(l.buf) }

// imageID is the id of an image that was not built: one for each call, as docker's may
// differ each time.
func imageID(call *Call, b *Build) string {
	words, _ := json.Marshal(b) // plain data always encodes
	return "sha256:" + digest(fmt.Sprintf("%d %s %s", call.Number, call.Dir, words))
}

// told tells the script what docker would: the files that it asked for, the id, or the
// lines that scripts look for, which the classic builder prints.
func (s *standIn) told(call *Call, flags []commandline.Flag) error {
	if name := commandline.Last(flags, "iidfile"); name != "" {
		if err := os.WriteFile(name, []byte(call.ID), 0o666); err != nil {
			return err
		}
	}
	if name := commandline.Last(flags, "metadata-file"); name != "" {
		if err := writeMetadata(name, metadata(call.ID, call.Tags)); err != nil {
			return err
		}
	}
	if commandline.On(flags, "quiet") {
		fmt.Fprintln(s.stdout, call.ID)
		return nil
	}
	out := bufio.NewWriter(s.stdout)
	fmt.Fprintf(out, "Successfully built %s\n", short(call.ID))
	for _, tag := range call.Tags {
		fmt.Fprintf(out, "Successfully tagged %s\n", familiar(tag))
	}
	return out.Flush()
}

func metadata(id string, tags []string) map[string]any {
	m := map[string]any{"containerimage.digest": id, "containerimage.config.digest": id}
	if len(tags) > 0 {
		m["image.name"] = strings.Join(tags, ",")
	}
	return m
}

func writeMetadata(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

// toFail tells whether a build is one that the user wants to see fail.
func (s *standIn) toFail(call *Call) bool {
	for _, want := range s.settings.Fail {
		for _, tag := range call.Tags {
			if means(want, tag) {
				return true
			}
		}
		if call.Definition == nil {
			continue
		}
		for _, name := range call.Definition.Names {
			if want == name {
				return true
			}
		}
	}
	return false
}

// means tells whether a word of the user's stands for a reference: as written, in full, by
// the name that it gets in a definition, or as a pattern.
func means(want, tag string) bool {
	if canonical(want) == canonical(tag) || want == ImageName(tag) {
		return true
	}
	ok, err := path.Match(want, strings.TrimSuffix(familiar(tag), ":latest"))
	return ok && err == nil
}

// definition takes down a call of bake or compose.
func (s *standIn) definition(c command) (int, error) {
	set := map[string]*commandline.Set{"bake": commandline.BakeFlags, "compose build": commandline.ComposeBuildFlags, "compose up": commandline.ComposeUpFlags}[c.verb]
	flags, rest, err := set.Parse(c.args, false)
	if err != nil {
		return s.refuse("%v", err)
	}
	call := commandline.On(flags, "print") || commandline.On(flags, "check") || commandline.On(flags, "list-targets") || commandline.On(flags, "list-variables") ||
		commandline.Last(flags, "list") != "" || commandline.Last(flags, "call") != "" && commandline.Last(flags, "call") != "build"
	switch {
	case call, commandline.On(c.globals, "dry-run"), c.verb == "compose up" && !commandline.On(flags, "build"):
		return s.real() // nothing is built
	case s.evaluate == nil:
		return s.become()
	}
	return s.evaluated(c, flags, rest)
}

func (s *standIn) evaluated(c command, flags []commandline.Flag, names []string) (int, error) {
	call, err := s.begin()
	if err != nil {
		return failed, err
	}
	kind, _, _ := strings.Cut(c.verb, " ")
	d := &Definition{Kind: kind, Globals: c.globals, Flags: flags, Names: names}
	if c.verb == "compose up" { // whose flags are not those of a build
		d.Flags = nil
	}
	call.Definition = d
	var stdin []byte
	for _, f := range append(commandline.All(flags, "file"), commandline.All(c.globals, "file")...) {
		if f == "-" {
			call.Lacking = "its definition comes on standard input: write it to a file"
			if stdin, err = io.ReadAll(io.LimitReader(s.stdin, maxDockerfile)); err != nil {
				return failed, err
			}
		}
	}
	if call.Lacking == "" {
		if err := s.evaluate(s.settings, call); err != nil {
			call.Exit = 1
			fmt.Fprintf(s.stderr, "ERROR: %v\n", err)
			return 1, call.write(s.folder)
		}
	}
	call.ID = "sha256:" + digest(fmt.Sprint(call.Number, call.Dir, s.args))
	if c.verb == "compose up" && s.settings.Through {
		s.say("compose up: its images are built, nothing is started")
		s.args = upAsBuild(s.args)
	} else if c.verb == "compose up" {
		s.say("compose up: nothing is started")
	}
	return s.finish(call, stdin, func() error {
		name := commandline.Last(flags, "metadata-file")
		if name == "" {
			return nil
		}
		all := map[string]any{}
		for _, n := range d.Names {
			all[n] = metadata("sha256:"+digest(call.ID+n), nil)
		}
		return writeMetadata(name, all)
	})
}

// upAsBuild makes "compose build" of "compose up --build": what is recorded is not started.
func upAsBuild(args []string) []string {
	var out []string
	seen := false
	for _, a := range args {
		switch {
		case !seen && (a == "up" || a == "create"):
			out, seen = append(out, "build"), true
		case seen && strings.HasPrefix(a, "-"):
		default:
			out = append(out, a)
		}
	}
	return out
}

// become hands the call on to the program that can read definitions.
func (s *standIn) become() (int, error) {
	if _, err := os.Stat(s.settings.Program); errors.Is(err, fs.ErrNotExist) {
		return failed, fmt.Errorf("%s is gone, which reads definitions", s.settings.Program)
	}
	return execInPlace(s.settings.Program, append([]string{s.program}, s.args...), os.Environ())
}
