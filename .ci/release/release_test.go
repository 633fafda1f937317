package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

const root = "../.."

// TestTwice makes a release for this machine's platform from the checkout, and again from
// a copy of its sources that lies elsewhere, in another time zone: they are the same to
// the byte, and hold what they must.
func TestTwice(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1800000000")
	first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
	releases := func(root, dir string) {
		r := release{
			Root: root, Version: "v1.2.3",
			Compile: []string{"-gcflags=all=-N -l"}, // as make cross does: nothing is compiled again
			Say:     func(string) {},
		}
		if err := r.into(t.Context(), dir, []string{runtime.GOOS + "/" + runtime.GOARCH}); err != nil {
			t.Fatal(err)
		}
	}
	releases(root, first)
	t.Setenv("TZ", "Pacific/Kiritimati")
	releases(copied(t), second)

	name := fmt.Sprintf("rebuild_v1.2.3_%s_%s", runtime.GOOS, runtime.GOARCH)
	for _, file := range []string{name + ".tar.gz", "SHA256SUMS"} {
		a, b := read(t, filepath.Join(first, file)), read(t, filepath.Join(second, file))
		if !bytes.Equal(a, b) {
			t.Errorf("%s: made twice, it differs", file)
		}
	}
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = first
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}

	files := unpacked(t, filepath.Join(first, name+".tar.gz"))
	for _, want := range []string{
		"rebuild", "rebuild-pre-push", "LICENSE", "NOTICES", "README.md", "CHANGELOG.md",
		"completions/rebuild.bash", "completions/_rebuild", "completions/rebuild.fish", "completions/rebuild.ps1",
		"man/man1/rebuild.1", "man/man1/rebuild-plan.1", "man/man1/rebuild-hook-install.1",
	} {
		if len(files[name+"/"+want]) == 0 {
			t.Errorf("the archive lacks %s", want)
		}
	}
	if page := files[name+"/man/man1/rebuild.1"]; !bytes.Contains(page, []byte(`"Jan 2027" "rebuild v1.2.3"`)) {
		t.Errorf("the manual page does not tell the version and the commit's time:\n%.200s", page)
	}

	bin := filepath.Join(t.TempDir(), "rebuild")
	if err := os.WriteFile(bin, files[name+"/rebuild"], 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(bin, "--version").Output(); err != nil || strings.TrimSpace(string(out)) != "rebuild version v1.2.3" {
		t.Errorf("rebuild --version: %q, %v", out, err)
	}
	// The linker wrote down which modules are in the program.
	info, err := buildinfo.ReadFile(bin)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) < 100 {
		t.Errorf("only %d modules in the program", len(info.Deps))
	}
	for _, dep := range info.Deps {
		if !bytes.Contains(files[name+"/NOTICES"], []byte("\n"+dep.Path+" "+dep.Version+"\n")) {
			t.Errorf("NOTICES lacks %s %s", dep.Path, dep.Version)
		}
		if strings.Contains(dep.Path, "go-md2man") {
			t.Errorf("the program is linked with what makes its manual pages")
		}
	}
}

// copied is a copy of the sources.
func copied(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	list := exec.Command("git", "ls-files", "-z", "-co", "--exclude-standard")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is deleted, and that not yet committed
		}
		if err == nil {
			err = os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// unpacked gives the files of an archive. Each belongs to root, and they are in order.
func unpacked(t *testing.T, name string) map[string][]byte {
	t.Helper()
	packed, err := gzip.NewReader(bytes.NewReader(read(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	if packed.Name != "" || !packed.ModTime.IsZero() {
		t.Errorf("%s tells a name or a time", name)
	}
	files, names := map[string][]byte{}, []string{}
	for in := tar.NewReader(packed); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" {
			t.Errorf("%s belongs to %d:%d %s", h.Name, h.Uid, h.Gid, h.Uname)
		}
		if files[h.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	if !slices.IsSorted(names) {
		t.Errorf("the names are in no order: %v", names)
	}
	return files
}

// TestZip: what Windows unpacks is what went in, at the time that was said.
func TestZip(t *testing.T) {
	made := time.Unix(1_800_000_000, 0)
	name := filepath.Join(t.TempDir(), "rebuild_v1_windows_amd64.zip")
	files := []file{{"README.md", []byte("read"), 0o644}, {"rebuild.exe", []byte("run"), 0o755}}
	if err := writeZip(name, files, made); err != nil {
		t.Fatal(err)
	}
	r, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if len(r.File) != len(files) {
		t.Fatalf("%d files, want %d", len(r.File), len(files))
	}
	for i, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(in)
		if err != nil || f.Name != "rebuild_v1_windows_amd64/"+files[i].Name || !bytes.Equal(data, files[i].Data) || f.Mode() != files[i].Mode || !f.Modified.Equal(made) {
			t.Errorf("got %s %v %s %q, %v", f.Name, f.Mode(), f.Modified, data, err)
		}
	}
}

// TestDebian makes a package of small files, twice.
func TestDebian(t *testing.T) {
	if _, err := exec.LookPath("nfpm"); err != nil {
		t.Skip("nfpm is not there: .ci/setup nfpm, or make release-check")
	}
	at, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	r := release{Root: at, Version: "v1.2.3", made: time.Unix(1_800_000_000, 0).UTC()}
	var files []file
	for _, name := range []string{
		"CHANGELOG.md", "LICENSE", "NOTICES", "README.md", "completions/_rebuild", "completions/rebuild.bash", "completions/rebuild.fish",
		"man/man1/rebuild-plan.1", "man/man1/rebuild.1", "rebuild", "rebuild-pre-push",
	} {
		files = append(files, file{name, []byte("the text of " + name + "\n"), 0o644})
	}
	var made [][]byte
	for range 2 {
		dir := t.TempDir()
		name, err := r.debian(t.Context(), platform{"linux", "arm64"}, files, filepath.Join(t.TempDir(), "tree"), dir)
		if err != nil {
			t.Fatal(err)
		}
		if name != "rebuild_1.2.3_arm64.deb" {
			t.Errorf("it is called %s", name)
		}
		made = append(made, read(t, filepath.Join(dir, name)))
	}
	if !bytes.Equal(made[0], made[1]) {
		t.Error("made twice, it differs")
	}
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		return // no Debian
	}
	name := filepath.Join(t.TempDir(), "rebuild.deb")
	if err := os.WriteFile(name, made[0], 0o644); err != nil {
		t.Fatal(err)
	}
	list := tell(t, "dpkg-deb", "--contents", name)
	for _, want := range []string{
		"-rwxr-xr-x ./usr/bin/rebuild", "-rwxr-xr-x ./usr/bin/rebuild-pre-push",
		"-rw-r--r-- ./usr/share/man/man1/rebuild.1.gz", "-rw-r--r-- ./usr/share/man/man1/rebuild-plan.1.gz",
		"-rw-r--r-- ./usr/share/bash-completion/completions/rebuild", "-rw-r--r-- ./usr/share/zsh/vendor-completions/_rebuild",
		"-rw-r--r-- ./usr/share/fish/vendor_completions.d/rebuild.fish", "-rw-r--r-- ./usr/share/doc/rebuild/copyright",
	} {
		mode, path, _ := strings.Cut(want, " ")
		if !slices.ContainsFunc(strings.Split(list, "\n"), func(line string) bool {
			return strings.HasPrefix(line, mode+" root/root ") && strings.HasSuffix(line, " "+path)
		}) {
			t.Errorf("the package lacks %s:\n%s", want, list)
		}
	}
	if got := tell(t, "dpkg-deb", "--show", "--showformat", "${Package} ${Version} ${Architecture}", name); got != "rebuild 1.2.3 arm64" {
		t.Errorf("the package says that it is %s", got)
	}
	if got := tell(t, "dpkg-deb", "--fsys-tarfile", name); !strings.Contains(got, "the text of LICENSE\n\nthe text of NOTICES\n") {
		t.Error("copyright is not the licence and the notices")
	}
}

// tell gives what a command prints.
func tell(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}

// TestDebianVersion: versions in the order of dpkg.
func TestDebianVersion(t *testing.T) {
	want := []struct{ version, debian string }{
		{"c39b212", "0~20270115.c39b212"},
		{"c39b212-dirty", "0~20270115.c39b212.dirty"},
		{"v1.2.0-rc.1", "1.2.0~rc.1"},
		{"v1.2.0-rc.1-4-gc39b212", "1.2.0~rc.1+4.gc39b212"},
		{"v1.2.0", "1.2.0"},
		{"v1.2.0-3-gc39b212", "1.2.0+3.gc39b212"},
		{"v1.2.0-3-gc39b212-dirty", "1.2.0+3.gc39b212+dirty"},
		{"v1.2.1", "1.2.1"},
		// A commit's name that begins with a digit is no version.
		{"1234567", "0~20270115.1234567"},
	}
	for i, c := range want {
		got := debianVersion(c.version, "20270115")
		if got != c.debian {
			t.Errorf("%s: got %s, want %s", c.version, got, c.debian)
		}
		if i == 0 || i == len(want)-1 {
			continue
		}
		if _, err := exec.LookPath("dpkg"); err != nil {
			continue
		}
		if err := exec.Command("dpkg", "--compare-versions", want[i-1].debian, "lt", got).Run(); err != nil {
			t.Errorf("%s is not before %s", want[i-1].debian, got)
		}
	}
}

// TestLicenceNames: what is called like a licence, and what is not.
func TestLicenceNames(t *testing.T) {
	for name, want := range map[string]bool{
		"LICENSE": true, "LICENCE.md": true, "LICENSE-MIT": true, "License.txt": true, "COPYING": true, "NOTICE": true, "NOTICE.txt": true,
		"PATENTS": true, "UNLICENSE": true, "licenses": true, "README.md": false, "licensed.txt": false, "notify.txt": false,
	} {
		if got := licenceName.MatchString(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
