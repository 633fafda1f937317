package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"gopkg.in/natefinch/lumberjack.v2"

	"rebuild/docker"
	"rebuild/hooks"
	"rebuild/impact/catalog"
	"rebuild/impact/tree"
	"rebuild/watch"
)

const watchLong = `Keep images up to date until interrupted: when a file is saved, the images that it
touches are rebuilt, and all that is built on them.

It watches only folders in which a layer, a Dockerfile or a definition is read. A
newer change stops a build only if it makes what the build is running useless. An
image that failed waits for a change that touches it. One daemon a repository.`

// watchFlags are those of the daemon alone.
type watchFlags struct {
	*flags
	detach    bool
	detached  bool // it is the one that runs in the background
	noCatchUp bool
	poll      bool
	notify    string
	quiet     time.Duration
}

func watchCommand(v *voice) *cobra.Command {
	f := &watchFlags{flags: &flags{}}
	cmd := &cobra.Command{
		Use:   "watch [IMAGE...]",
		Short: "keep images up to date while files are edited",
		Long:  watchLong,
		Example: `  rebuild watch       until Ctrl-C
  rebuild watch -d    in the background: rebuild status, wait, logs, pause, resume and stop speak to it`,
		Args: cobra.ArbitraryArgs,
	}
	f.where(cmd.Flags())
	f.images(cmd)
	f.some(cmd)
	p := cmd.Flags()
	p.BoolVarP(&f.detach, "detach", "d", false, "run in the background")
	p.BoolVar(&f.detached, "detached", false, "")
	_ = p.MarkHidden("detached") // it exists
	p.BoolVar(&f.noCatchUp, "no-catch-up", false, "leave images that are stale already until a change touches them")
	p.BoolVar(&f.poll, "poll", false, "look at the files again and again, instead of waiting for events")
	p.StringVar(&f.notify, "notify", "", "on a failure: `HOW`, bell or desktop")
	p.DurationVar(&f.quiet, "quiet", 0, "how long no file must be written before a build begins (default 50ms, adapted)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.notify != "" {
			if err := oneOf("notify", f.notify, "bell", "desktop"); err != nil {
				return err
			}
		}
		switch {
		case f.quiet < 0:
			return fmt.Errorf("--quiet %s: want a time that is not negative", f.quiet)
		case f.notify == "bell" && (f.detach || f.detached):
			return hinted{errors.New("--notify bell: in the background there is no terminal to ring"), cmd.CommandPath() + " -d --notify desktop"}
		case f.detach:
			return runDetached(cmd, v, f)
		}
		return runWatch(cmd.Context(), v, f, args)
	}
	return cmd
}

// runWatch is the daemon, until it is told to end.
func runWatch(ctx context.Context, v *voice, f *watchFlags, args []string) error {
	debug.SetGCPercent(100) // unlike a plan, it lives long
	w, err := openWorkspace(ctx, v, f.flags)
	if err != nil {
		return err
	}
	err = w.checkNames(ctx, args)
	w.close() // each planning opens it anew
	if err != nil {
		return err
	}
	release, err := lockDaemon(ctx, w)
	if err != nil {
		return err
	}
	defer func() { _ = release() }() // the process ends
	marks := filepath.Join(w.state, "marks")
	if err := errors.Join(os.RemoveAll(marks), os.MkdirAll(marks, 0o755)); err != nil {
		return fmt.Errorf("markers: %w", err)
	}
	path, err := socketPath(w.state)
	if err != nil {
		return err
	}
	l, err := listen(ctx, path)
	if err != nil {
		return err
	}
	defer os.Remove(path)

	zerolog.TimeFieldFormat = logTime
	file := &lumberjack.Logger{Filename: logPath(w.state), MaxSize: logSize, MaxBackups: logBackups}
	defer file.Close()
	var shown *liveView
	out := zerolog.MultiLevelWriter(file)
	if !f.detached {
		shown = newLiveView(v.err)
		v.err = shown // whatever else is said stands above the live lines
		out = zerolog.MultiLevelWriter(file, consoleLog(shown, shown.tty))
	}
	d := newDaemon(w, f, args, newTeller(zerolog.New(out).With().Timestamp().Logger()))
	d.story.alert = alertOf(f.notify, v)
	err = d.serve(ctx, l, watch.Options{Quiet: f.quiet, Polling: f.poll, Busy: w.gitBusy(), Own: marks}, shown)
	if errors.Is(err, errStop) || endedBySIGTERM(ctx) {
		return nil
	}
	if f.detached && ctx.Err() == nil { // nobody sees what it prints
		d.story.ends(err)
	}
	return err
}

// checkNames tells of images that the definition does not have, rather than that a
// daemon waits for them. A definition that cannot be read has its turn later.
func (w *workspace) checkNames(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return nil
	}
	t, err := w.worktree(ctx, tree.Bytes)
	if err != nil {
		return err
	}
	cat, err := w.catalog(ctx, t, false)
	if err != nil {
		return nil
	}
	_, err = catalog.Select(cat, args, w.flags.all)
	return err
}

// endedBySIGTERM tells whether the program was told to end in good order, not
// interrupted.
func endedBySIGTERM(ctx context.Context) bool {
	// signal.NotifyContext's cause is "terminated signal received".
	return ctx.Err() != nil && strings.HasPrefix(context.Cause(ctx).Error(), syscall.SIGTERM.String())
}

// gitBusy tells whether git is in the middle of changing the working tree; nil
// outside git.
func (w *workspace) gitBusy() func() bool {
	if w.repo == nil {
		return nil
	}
	dir := w.repo.GitDir
	return func() bool { return hooks.InProgress(dir, time.Now()) }
}

func newDaemon(w *workspace, f *watchFlags, args []string, s *teller) *daemon {
	return &daemon{
		flags: f.flags, args: args, root: w.root, state: w.state, marks: filepath.Join(w.state, "marks"), story: s,
		noCatchUp: f.noCatchUp, pid: os.Getpid(), started: time.Now(),
		planned: make(chan *attempt), observed: make(chan observation), runDone: make(chan runEnd), calls: make(chan func()),
		folders: make(chan []string), commands: newAfterwards(w.root, s),
		held: map[string]hold{}, again: map[string]int{}, build: map[string]*ongoing{}, failed: map[string]failedImage{}, builtAt: map[string]time.Time{},
	}
}

// alertOf is how a failure is made known beside the log; nil: not at all.
func alertOf(how string, v *voice) func(title, text string) {
	switch how {
	case "bell":
		return func(string, string) { fmt.Fprint(v.err, "\a") }
	case "desktop":
		return func(title, text string) {
			// It is only a courtesy: without a desktop nobody would see why it failed.
			_ = exec.Command("notify-send", "--app-name=rebuild", title, text).Run()
		}
	}
	return nil
}

// lockDaemon makes this the repository's one daemon.
func lockDaemon(ctx context.Context, w *workspace) (release func() error, err error) {
	release, err = docker.Acquire(ctx, watchLock(w.state), false, nil)
	var locked *docker.Locked
	if errors.As(err, &locked) {
		return nil, alreadyWatched(ctx, w, locked.Holder)
	}
	return release, err
}

// alreadyWatched says which daemon the repository has. Its worktrees share the records
// and the tags, and so the daemon.
func alreadyWatched(ctx context.Context, w *workspace, h docker.Holder) error {
	var s daemonStatus
	if c, err := newClient("", w.state); err != nil || c.do(ctx, "GET", "/status", &s) != nil || s.Root == "" {
		s.Root = w.root // it is starting or ending
	}
	if s.Root == w.root {
		return hinted{fmt.Errorf("a daemon watches %s already: %s", w.root, h), "rebuild status, or rebuild stop"}
	}
	return hinted{fmt.Errorf("a daemon of this repository runs already, for %s: %s", s.Root, h), "rebuild -C " + s.Root + " stop"}
}
