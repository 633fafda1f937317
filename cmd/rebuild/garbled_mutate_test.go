//go:build linux

package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"rebuild/impact/safefile"
)

// mutator garbles a repository, and notes what it did.
type mutator struct {
	r   *rand.Rand
	dir string
	did []string
}

// garbledKind is a kind of files that are garbled.
type garbledKind struct {
	name   string
	weight int
	do     func(m *mutator, t *testing.T)
}

var (
	definitionNames = regexp.MustCompile(`^(docker-bake\.|compose\.|rebuild\.yaml$|\.env$|web\.env$|Makefile$|build\.sh$|build\.yml$)`)
	dockerfileNames = regexp.MustCompile(`(^|\.)Dockerfile(\.job)?$`)
	ignoreNames     = regexp.MustCompile(`\.dockerignore$|^\.gitignore$|^\.gitattributes$|^\.gitmodules$`)
	anyName         = regexp.MustCompile(`.`)
)

var garbledKinds = []garbledKind{
	{"definition", 30, func(m *mutator, t *testing.T) { m.file(t, m.pickFile(t, definitionNames), m.text) }},
	{"Dockerfile", 25, func(m *mutator, t *testing.T) { m.file(t, m.pickFile(t, dockerfileNames), m.text) }},
	{"ignore file", 10, func(m *mutator, t *testing.T) { m.file(t, m.pickFile(t, ignoreNames), m.text) }},
	{"type", 10, (*mutator).replace},
	{"object", 10, (*mutator).object},
	{"pack", 4, func(m *mutator, t *testing.T) { m.file(t, m.pickIn(t, ".git/objects/pack"), m.bytes) }},
	{"crafted commit", 8, (*mutator).craft},
	{"index", 8, (*mutator).index},
	{"refs", 8, func(m *mutator, t *testing.T) { m.file(t, m.pickRef(t), m.text) }},
	{"git's configuration", 4, func(m *mutator, t *testing.T) { m.file(t, ".git/config", m.text) }},
	{"records", 20, (*mutator).record},
}

func (m *mutator) note(format string, args ...any) {
	m.did = append(m.did, fmt.Sprintf(format, args...))
}

// mutate does one of them at random.
func (m *mutator) mutate(t *testing.T, kinds []garbledKind) {
	t.Helper()
	sum := 0
	for _, k := range kinds {
		sum += k.weight
	}
	at := m.r.IntN(sum)
	for _, k := range kinds {
		if at -= k.weight; at < 0 {
			k.do(m, t)
			return
		}
	}
}

// files lists the regular files below a folder, sorted.
func (m *mutator) files(t *testing.T, under string, git bool) (names []string) {
	t.Helper()
	root := filepath.Join(m.dir, under)
	check(t, filepath.WalkDir(root, func(full string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) { // what was garbled before
			return nil
		}
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" && full != root && !git {
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			name, err := filepath.Rel(m.dir, full)
			names = append(names, name)
			return err
		}
		return nil
	}))
	return names
}

// pickFile is a file of the working tree by its own name; "": there is none.
func (m *mutator) pickFile(t *testing.T, name *regexp.Regexp) string {
	t.Helper()
	all := slices.DeleteFunc(m.files(t, ".", false), func(f string) bool { return !name.MatchString(filepath.Base(f)) })
	if len(all) == 0 {
		return ""
	}
	return pick(m.r, all)
}

func (m *mutator) pickIn(t *testing.T, dir string) string {
	t.Helper()
	all := m.files(t, dir, true)
	if len(all) == 0 {
		return ""
	}
	return pick(m.r, all)
}

func (m *mutator) pickRef(t *testing.T) string {
	t.Helper()
	names := append([]string{".git/HEAD", ".git/packed-refs", ".git/ORIG_HEAD", ".git/logs/HEAD", ".git/shallow", ".git/info/exclude", ".git/info/attributes",
		".git/info/grafts", ".git/objects/info/alternates", ".git/commondir", ".git/config.worktree", ".git/MERGE_HEAD", "module/.git"}, m.files(t, ".git/refs", true)...)
	return pick(m.r, names)
}

// file garbles one file, which need not be there.
func (m *mutator) file(t *testing.T, name string, how func([]byte) []byte) {
	t.Helper()
	if name == "" {
		return
	}
	full := filepath.Join(m.dir, name)
	if fi, err := os.Lstat(full); err == nil && !fi.Mode().IsRegular() {
		return // it is no file any more
	}
	data, err := safefile.Read(full, safefile.Text)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return
	}
	after := how(data)
	m.note("%s: %s", name, difference(data, after))
	m.put(name, after)
}

// put writes a file of the repository, which may be read-only, as git's are. What stands in
// its way stays: it may be a link to somewhere else, or wait for a reader.
func (m *mutator) put(name string, data []byte) {
	root, err := os.OpenRoot(m.dir)
	if err == nil {
		defer root.Close()
		err = root.MkdirAll(filepath.Dir(name), 0o755)
	}
	if err == nil {
		err = root.Remove(name)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		err = root.WriteFile(name, data, 0o644)
	}
	if err != nil {
		m.note("which cannot be written: %v", err)
	}
}

// difference shows what became of a text.
func difference(before, after []byte) string {
	head := 0
	for head < min(len(before), len(after)) && before[head] == after[head] {
		head++
	}
	b, a := before[head:], after[head:]
	tail := 0
	for tail < min(len(b), len(a)) && b[len(b)-1-tail] == a[len(a)-1-tail] {
		tail++
	}
	return fmt.Sprintf("at %d, %.80q became %.200q", head, b[:len(b)-tail], a[:len(a)-tail])
}

// text garbles lines, words, or bytes.
func (m *mutator) text(data []byte) []byte {
	switch m.r.IntN(10) {
	case 0, 1:
		return m.bytes(data)
	case 2, 3, 4:
		return m.lines(data)
	}
	return m.words(data)
}

// bytes garbles without regard of what they mean.
func (m *mutator) bytes(data []byte) []byte {
	data = slices.Clone(data)
	at := m.r.IntN(len(data) + 1)
	n := min(len(data)-at, m.r.IntN(1+1<<m.r.IntN(8)))
	switch m.r.IntN(7) {
	case 0:
		return data[:at]
	case 1:
		return slices.Delete(data, at, at+n)
	case 2:
		return slices.Insert(data, at, data[at:at+n]...)
	case 3:
		more := make([]byte, 1+m.r.IntN(16))
		for i := range more {
			more[i] = byte(m.r.Uint32())
		}
		return slices.Insert(data, at, more...)
	case 4:
		return slices.Insert(data, at, []byte(pick(m.r, []string{"\x00", "\xff", "\xfe\xff", "\xef\xbb\xbf", "\u2028", "\x1b[31m", "\r", "\u202e", "\xc0\x80"}))...)
	case 5:
		return nil
	}
	for i := at; i < at+max(1, n) && i < len(data); i++ {
		data[i] ^= byte(1 + m.r.IntN(255))
	}
	return data
}

func (m *mutator) lines(data []byte) []byte {
	lines := slices.Collect(bytes.Lines(data))
	if len(lines) == 0 {
		return m.words(data)
	}
	i, j := m.r.IntN(len(lines)), m.r.IntN(len(lines))
	switch m.r.IntN(6) {
	case 0:
		lines = slices.Delete(lines, i, i+1)
	case 1:
		lines[i], lines[j] = lines[j], lines[i]
	case 2:
		lines = slices.Insert(lines, i, lines[j])
	case 3:
		lines[i] = append([]byte(pick(m.r, []string{" ", "  ", "\t", "- ", "# ", "!", "/"})), lines[i]...)
	case 4:
		lines = slices.Insert(lines, i, slices.Repeat([][]byte{lines[j]}, 1+m.r.IntN(1<<m.r.IntN(8)))...)
	case 5:
		lines[i] = bytes.TrimLeft(bytes.TrimSuffix(lines[i], []byte("\n")), " ")
	}
	return bytes.Join(lines, nil)
}

var wordOf = regexp.MustCompile(`[\w./*-]+|[^\w\s]`)

// garbledWords are what parsers stumble over.
var garbledWords = []string{
	"", "..", "../..", "/", ".", "/etc/passwd", "~", "**", "**/**/**", "[", "]", "[a-", "{", "}", "{{", "}}", "(", ")", `"`, "'", "`", "\\", "\\\n", "$", "$$", "${", "${A", "${A:-${B}}", "${A:?no}", "$A$A$A",
	"%{", "%{if true}", "&a", "*a", "<<", "<<: *a", "null", "~", "true", "false", "0", "-1", "1e999", "9223372036854775808", "0x", "1.5", "2024-01-01", ":", "::", "a:b:c", "@", "@sha256:", "a@sha256:0", "!", "!!binary x", "!!map", "#", "---", "...", "|", ">", "?", "-", "--", "---\n",
	"FROM", "FROM scratch", "FROM scratch AS scratch", "AS", "AS 0", "COPY", "COPY --from=0", "COPY --from=9", "COPY --from=", "COPY --link", "COPY --parents", "--chmod=999999", "--chown=x:y", "ADD", "ADD --checksum=sha256:0", "RUN", "RUN --mount=", "RUN --mount=type=secret", "RUN --mount=type=cache,target=/x", "RUN --mount=type=bind,from=9", "RUN --network=none", "RUN --security=insecure", "ONBUILD", "ONBUILD ONBUILD", "ONBUILD FROM x", "ARG", "ARG A=$A", "ENV", "ENV A", "ENV =", "USER", "WORKDIR", "WORKDIR ..", "SHELL", "SHELL []", "HEALTHCHECK", "HEALTHCHECK --interval=x CMD", "EXPOSE", "EXPOSE 99999", "VOLUME []", "STOPSIGNAL", "MAINTAINER", "LABEL", "LABEL =", "<<EOF", "<<", "<<''", "# escape=`\n", "# syntax=x\n", "# check=error=true\n", "--platform=$TARGETPLATFORM", "--platform=x/y/z/a",
	"target", "group", "variable", "function", "matrix", "inherits", "dockerfile", "dockerfile-inline", "context", "contexts", "args", "tags", "labels", "platforms", "secret", "ssh", "output", "cache-from", "cache-to", "entitlements", "network", "pull", "name", "default", "validation", "item",
	"target:base", "target:app", "target:nothing", "service:web", "docker-image://", "docker-image://x", "oci-layout://x", "git@x:y", "image", "build", "services", "extends", "include", "profiles", "depends_on", "env_file", "secrets", "additional_contexts", "version",
	"images", "phases", "derive", "from", "rename", "replace", "substitute", "definitions", "ignore_args", "on_push", "on_success", "optional", "critical",
	"base", "app", "a b", "ü", "日本", "\x00", "\xff\xfe", "\x1b]0;x\x07", "\u202e", "%s", "%d%n", "-C", "--help", "HEAD", "refs/heads/main", "ref: refs/heads/main\n", "ref: ", "ref: ../../x", "ref: refs/heads/loop", "0000000000000000000000000000000000000000", "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "main", "gitdir: .", "gitdir: /nowhere", "submodule", "core.worktree", "worktree = ../..\n", "bare = true\n", "repositoryformatversion = 9\n", "[extensions]\n\tobjectformat = sha256\n", "autocrlf = true\n", "eol=crlf", "text", "working-tree-encoding=UTF-16", "filter=lfs", "ident", "export-ignore", "merge=union",
	strings.Repeat("a", 300), strings.Repeat("a/", 300), strings.Repeat("[", 200), strings.Repeat("{a: ", 100), strings.Repeat("9", 40), strings.Repeat("${A:-", 50),
}

// words replaces, removes, doubles or adds words, or moves one to another place.
func (m *mutator) words(data []byte) []byte {
	text := string(data)
	found := wordOf.FindAllStringIndex(text, -1)
	if len(found) == 0 {
		return []byte(text + pick(m.r, garbledWords))
	}
	at, other := pick(m.r, found), pick(m.r, found)
	word := text[at[0]:at[1]]
	switch m.r.IntN(8) {
	case 0:
		word = ""
	case 1:
		word = word + " " + word
	case 2:
		word = text[other[0]:other[1]]
	case 3:
		word = pick(m.r, garbledWords) + " " + word
	case 4:
		word = word + pick(m.r, garbledWords)
	case 5:
		word = word[:m.r.IntN(len(word)+1)]
	default:
		word = pick(m.r, garbledWords)
	}
	return []byte(text[:at[0]] + word + text[at[1]:])
}

// replace puts something else in the place of a file or a folder.
func (m *mutator) replace(t *testing.T) {
	name := m.pickFile(t, pick(m.r, []*regexp.Regexp{anyName, definitionNames, dockerfileNames, ignoreNames}))
	switch m.r.IntN(8) {
	case 0:
		name = m.pickIn(t, ".git/rebuild")
	case 1:
		name = pick(m.r, []string{".git/index", ".git/HEAD", ".git/config", ".git/refs", ".git/objects", ".git/packed-refs", ".git/rebuild", ".git/rebuild/records", ".git/rebuild/lock", "module/.git", ".git/modules/module/HEAD"})
	case 2:
		if name = filepath.Dir(name); name == "." {
			name = "module"
		}
	}
	if name == "" {
		return
	}
	full := filepath.Join(m.dir, name)
	_ = os.RemoveAll(full)
	kind := pick(m.r, []string{"nothing", "a folder", "a link to itself", "a link to nothing", "a link out", "a link up", "a FIFO", "a socket's place", "empty", "zeros", "a link to a device"})
	m.note("%s is %s", name, kind)
	var err error
	switch kind {
	case "a folder":
		err = os.MkdirAll(filepath.Join(full, "in"), 0o755)
	case "a link to itself":
		err = os.Symlink(filepath.Base(full), full)
	case "a link to nothing":
		err = os.Symlink("nothing/at/all", full)
	case "a link out":
		err = os.Symlink("/etc/hostname", full)
	case "a link up":
		err = os.Symlink("..", full)
	case "a FIFO":
		err = syscall.Mkfifo(full, 0o644)
	case "a socket's place":
		err = syscall.Mknod(full, syscall.S_IFSOCK|0o644, 0)
	case "empty":
		err = os.WriteFile(full, nil, 0o644)
	case "zeros":
		err = os.WriteFile(full, nil, 0o644)
		if err == nil {
			err = os.Truncate(full, 1<<m.r.IntN(29)) // a hole; git itself holds all of some files
		}
	case "a link to a device":
		err = os.Symlink(pick(m.r, []string{"/dev/zero", "/dev/full", "/dev/tty", "/dev/null"}), full)
	}
	if err != nil {
		m.note("which cannot be: %v", err)
	}
}

// object garbles a loose object, below its compression or above it.
func (m *mutator) object(t *testing.T) {
	all := slices.DeleteFunc(m.files(t, ".git/objects", true), func(f string) bool { return strings.Contains(f, "/pack/") || strings.Contains(f, "/info/") })
	if len(all) == 0 {
		return
	}
	name := pick(m.r, all)
	switch m.r.IntN(4) {
	case 0:
		check(t, os.Remove(filepath.Join(m.dir, name)))
		m.note("%s is gone", name)
	case 1:
		m.file(t, name, m.bytes)
	default:
		m.file(t, name, func(data []byte) []byte {
			z, err := zlib.NewReader(bytes.NewReader(data))
			if err != nil {
				return nil
			}
			text, err := io.ReadAll(z)
			if err != nil {
				return nil
			}
			after := m.bytes(text)
			m.note("inside: %s", difference(text, after))
			var b bytes.Buffer
			w := zlib.NewWriter(&b)
			_, _ = w.Write(after) // memory
			_ = w.Close()
			return b.Bytes()
		})
	}
}

// craft makes a commit of which an object is garbled, and all ids are right: a tree, a
// commit or a tag that git itself would not make. Main stands there.
func (m *mutator) craft(t *testing.T) {
	read := func(what string) []byte {
		ctx, cancel := context.WithTimeout(t.Context(), garbledTime) // HEAD may be a FIFO by now
		defer cancel()
		out, err := exec.CommandContext(ctx, "git", "-C", m.dir, "cat-file", what, "HEAD^{"+what+"}").Output()
		if err != nil {
			return nil // what was garbled before
		}
		return out
	}
	tree, commit := read("tree"), read("commit")
	if tree == nil || commit == nil {
		return
	}
	if m.r.IntN(3) > 0 {
		old := hex.EncodeToString(m.write("tree", tree))
		after := m.treeEntry(tree)
		m.note("a commit whose tree has %s", difference(tree, after))
		commit = bytes.Replace(commit, []byte(old), []byte(hex.EncodeToString(m.write("tree", after))), 1)
	} else {
		after := m.text(commit)
		m.note("a commit of which %s", difference(commit, after))
		commit = after
	}
	id := hex.EncodeToString(m.write("commit", commit))
	if m.r.IntN(4) == 0 {
		id = hex.EncodeToString(m.write("tag", m.text([]byte("object "+id+"\ntype commit\ntag v1\ntagger a <a@localhost> 0 +0000\n\nx\n"))))
		m.put(".git/refs/tags/v1", []byte(id+"\n"))
		return
	}
	m.put(".git/refs/heads/main", []byte(id+"\n"))
}

// treeEntry garbles a tree's entries: mode, name, 0, id.
func (m *mutator) treeEntry(tree []byte) []byte {
	var entries [][]byte
	for rest := tree; len(rest) > 0; {
		n := bytes.IndexByte(rest, 0) + 21
		if n == 20 || n > len(rest) {
			break // it is garbled already
		}
		entries = append(entries, rest[:n])
		rest = rest[n:]
	}
	if len(entries) == 0 {
		return m.text(tree)
	}
	i, j := m.r.IntN(len(entries)), m.r.IntN(len(entries))
	entry := entries[i]
	id := entry[len(entry)-20:]
	mode, name, _ := strings.Cut(string(entry[:len(entry)-21]), " ")
	switch m.r.IntN(7) {
	case 0:
		mode = pick(m.r, []string{"40000", "100644", "100755", "120000", "160000", "100664", "0", "", "777777777777777777777", "040000", "x"})
	case 1:
		name = pick(m.r, []string{"..", ".", ".git", ".GIT", "git~1", "a/b", "/a", "", "a\\b", "a\nb", "\xff", "\x1b[2J", ".g\u200cit", "con", strings.Repeat("x", 5000), "docker-bake.hcl", "rebuild.yaml", "Dockerfile"})
	case 2:
		id = entries[j][len(entries[j])-20:]
	case 3:
		id = make([]byte, 20)
	case 4:
		entries[i], entries[j] = entries[j], entries[i]
		return bytes.Join(entries, nil)
	case 5:
		return m.bytes(tree)
	case 6:
		entries = slices.Insert(entries, i, entries[j])
		return bytes.Join(entries, nil)
	}
	entries[i] = append([]byte(mode+" "+name+"\x00"), id...)
	return bytes.Join(entries, nil)
}

// write puts an object into the repository under its own id.
func (m *mutator) write(kind string, data []byte) []byte {
	all := append(fmt.Appendf(nil, "%s %d\x00", kind, len(data)), data...)
	id := sha1.Sum(all)
	name := hex.EncodeToString(id[:])
	file := filepath.Join(".git/objects", name[:2], name[2:])
	if _, err := os.Lstat(filepath.Join(m.dir, file)); err == nil {
		return id[:]
	}
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(all) // memory
	_ = w.Close()
	m.put(file, b.Bytes())
	return id[:]
}

// index garbles git's index, whose checksum mostly is made right again.
func (m *mutator) index(t *testing.T) {
	name := pick(m.r, []string{".git/index", ".git/index", ".git/modules/module/index"})
	m.file(t, name, func(data []byte) []byte {
		if len(data) < 32 || m.r.IntN(3) == 0 {
			return m.bytes(data)
		}
		body := m.bytes(data[:len(data)-20])
		if m.r.IntN(4) == 0 && len(body) >= 12 {
			binary.BigEndian.PutUint32(body[8:], m.r.Uint32()) // the number of entries
		}
		sum := sha1.Sum(body)
		return append(body, sum[:]...)
	})
}

// record garbles what earlier builds and plans left.
func (m *mutator) record(t *testing.T) {
	name := m.pickIn(t, ".git/rebuild")
	if m.r.IntN(4) == 0 {
		m.file(t, name, m.bytes)
		return
	}
	m.file(t, name, m.text)
}
