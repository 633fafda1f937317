// Release makes what is released, into one folder:
//
//	go -C .ci/release run . [-version V] [-platforms OS/ARCH,...] [-packages=false] DIR
//
// For each platform there is an archive of the two programs, their completions, manual
// pages and licence notices; for Linux also a Debian package; and SHA256SUMS of them all.
// The same commit, made with the same Go, gives the same bytes, wherever and whenever it
// is made: nothing of the machine, its clock or its folders gets in.
package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	r := release{Root: filepath.Join("..", "..")}
	platforms := flag.String("platforms", "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64", "`OS/ARCH,...` to release for")
	flag.StringVar(&r.Version, "version", "", "the `VERSION` that is released")
	flag.BoolVar(&r.Packages, "packages", true, "make Debian packages for Linux, with nfpm")
	flag.Parse()
	if flag.NArg() != 1 || r.Version == "" {
		fmt.Fprintln(os.Stderr, "release: error: want -version and a folder")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r.Say = func(text string) { fmt.Fprintln(os.Stderr, "release:", text) }
	if err := r.into(ctx, flag.Arg(0), strings.Split(*platforms, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "release: error:", err)
		os.Exit(1)
	}
}

// release is what all parts of a release have in common.
type release struct {
	Root     string // of the repository
	Version  string
	Packages bool
	Compile  []string     // more arguments of go build
	Say      func(string) // is told each step

	made   time.Time // what every file and page says
	manual string    // folder of manual pages and completions
}

// into makes the release, in place of what lay in dir.
func (r release) into(ctx context.Context, dir string, platforms []string) (err error) {
	if r.Root, err = filepath.Abs(r.Root); err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if r.made, err = r.commitTime(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	r.manual = filepath.Join(work, "manual")
	r.Say("manual pages and completions")
	if err := r.writeManual(ctx); err != nil {
		return err
	}
	var made []string
	for _, p := range platforms {
		goos, arch, ok := strings.Cut(p, "/")
		if !ok {
			return fmt.Errorf("platform %q: want OS/ARCH", p)
		}
		names, err := r.platform(ctx, platform{goos, arch}, filepath.Join(work, goos+"-"+arch), dir)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		made = append(made, names...)
	}
	return writeSums(dir, made)
}

// platform is what is released for.
type platform struct{ OS, Arch string }

// platform makes what is released for one platform, and gives the names of the files.
func (r release) platform(ctx context.Context, p platform, work, dir string) (names []string, err error) {
	r.Say(p.OS + "/" + p.Arch)
	if err := r.build(ctx, p, work); err != nil {
		return nil, err
	}
	files, err := r.files(ctx, p, work)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("rebuild_%s_%s_%s", r.Version, p.OS, p.Arch)
	write := writeTar
	if p.OS == "windows" {
		name, write = name+".zip", writeZip
	} else {
		name += ".tar.gz"
	}
	if err := write(filepath.Join(dir, name), files, r.made); err != nil {
		return nil, err
	}
	names = append(names, name)
	if p.OS == "linux" && r.Packages {
		name, err := r.debian(ctx, p, files, filepath.Join(work, "debian"), dir)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// commitTime is the time of the commit, or what https://reproducible-builds.org/specs/source-date-epoch
// says.
func (r release) commitTime(ctx context.Context) (time.Time, error) {
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		out, err := r.command(ctx, "git", "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("git log: %w", err)
		}
		epoch = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// command prepares a command in the root of the repository.
func (r release) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = r.Root
	cmd.Stderr = os.Stderr
	return cmd
}

// writeSums writes what "sha256sum --check SHA256SUMS" reads.
func writeSums(dir string, names []string) error {
	var sums strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), name)
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums.String()), 0o644)
}
