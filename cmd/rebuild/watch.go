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

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/impact"
	"rebuild/impact/budget"
	"rebuild/impact/safefile"
	"rebuild/watch"
	"rebuild/watch/daemon"
)

const watchLong = `Keep images up to date until interrupted: when a file is saved, the images that
it touches are rebuilt, and all that is built on them.

It watches only folders in which a layer, a Dockerfile or a definition is read.
A newer change stops a build only if it makes what the build is running
useless. An image that failed waits for a change that touches it. One daemon a
repository.`

// watchFlags are those of the daemon alone.
type watchFlags struct {
	flags
	detach    bool
	detached  bool // it is the one that runs in the background
	noCatchUp bool
	poll      bool
	notify    string
	quiet     time.Duration
}

func watchCommand(p *terminal.Printer) *cobra.Command {
	f := &watchFlags{}
	cmd := &cobra.Command{
		Use:   "watch [IMAGE...]",
		Short: "keep images up to date while files are edited",
		Long:  watchLong,
		Example: `  rebuild watch       until Ctrl-C
  rebuild watch -d    in the background: for status, wait, logs, pause and stop`,
		Args: cobra.ArbitraryArgs,
	}
	f.where(cmd.Flags())
	f.images(cmd)
	f.some(cmd)
	f.privileges(cmd.Flags())
	set := cmd.Flags()
	set.BoolVarP(&f.detach, "detach", "d", false, "run in the background")
	set.BoolVar(&f.detached, "detached", false, "")
	_ = set.MarkHidden("detached") // it exists
	set.BoolVar(&f.noCatchUp, "no-catch-up", false, "leave images that are stale already until a change touches them")
	set.BoolVar(&f.poll, "poll", false, "look at the files again and again, instead of waiting for events")
	set.StringVar(&f.notify, "notify", "", "on a failure: `HOW`, bell or desktop")
	set.DurationVar(&f.quiet, "quiet", 0, "how long no file must be written before a build begins (default 50ms, adapted)")
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
			return runDetached(cmd, p, f)
		}
		return runWatch(cmd.Context(), p, f, args)
	}
	return cmd
}

// runWatch is the daemon, until it is told to end.
func runWatch(ctx context.Context, p *terminal.Printer, f *watchFlags, images []string) error {
	debug.SetGCPercent(100) // unlike a plan, it lives long
	s, q, err := f.open(ctx, p, session.NoEngine, images)
	if err != nil {
		return err
	}
	if err = s.NeedWorktree(); err == nil {
		err = s.CheckNames(ctx, q)
	}
	s.Close() // each planning opens one anew
	if err != nil {
		return err
	}
	release, err := lockDaemon(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = release() }() // the process ends
	stillThere, err := s.Presence()
	if err != nil {
		return err
	}
	socket, err := daemon.SocketPath(s.State)
	if err != nil {
		return daemonHint(err)
	}
	p.AsidesAtOnce()
	listener, err := daemon.Listen(ctx, socket)
	if err != nil {
		return daemonHint(err)
	}
	defer os.Remove(socket)

	// It keeps the mode that the file has, also of one that an older version made.
	own, err := safefile.Open(logPath(s.State), os.O_WRONLY|os.O_CREATE)
	if err != nil {
		return fmt.Errorf("the daemon's log: %w", err)
	}
	_ = own.Close() // nothing was written
	file := &lumberjack.Logger{Filename: logPath(s.State), MaxSize: logSize, MaxBackups: logBackups}
	defer file.Close()
	out := zerolog.MultiLevelWriter(file)
	o := daemon.Options{
		Root: s.Root, Marks: filepath.Join(s.State, "marks"), PID: os.Getpid(), Started: time.Now(), NoCatchUp: f.noCatchUp,
		Check: stillThere, Listener: listener, Command: onSuccess(s.Root),
		Allows:   func(image, line string) bool { return commandAllowed(s, image, line) },
		Document: func(st daemon.Status) any { return documentOf(st, f.secrets) },
		Idle:     debug.FreeOSMemory, // it may be hours until the next save
	}
	if !f.detached {
		shown := terminal.NewLive(p.Err)
		p.Err = shown // whatever else is said stands above the live lines
		out = zerolog.MultiLevelWriter(file, consoleLog(shown, shown.Terminal))
		o.View = viewOn(p, shown)
	}
	log := newWatchLog(terminal.WithholdJSON(out, f.secrets.withheld))
	log.alert = alertOf(f.notify, p)
	o.Events = log.event
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	o.Plan = endsWhenExceeded(newPlanner(f.place, q, log, f.secrets).plan, giveUp)
	how := watch.Options{Quiet: f.quiet, Polling: f.poll, Busy: s.GitBusy(), Own: o.Marks}
	o.Watch = func(ctx context.Context, folders <-chan []string, batches chan<- watch.Batch, notice func(watch.Mode)) error {
		how.Notice = notice
		return watch.Run(ctx, folders, batches, how)
	}
	acts(ctx)
	err = daemon.Run(ctx, o)
	if errors.Is(err, daemon.ErrStopped) || endedBySIGTERM(ctx) {
		return nil
	}
	var over *budget.Exceeded
	if errors.As(context.Cause(ctx), &over) {
		err = context.Cause(ctx)
		log.ends(err)
		return err
	}
	if f.detached && ctx.Err() == nil { // nobody sees what it prints
		log.ends(err)
	}
	return err
}

// endsWhenExceeded plans, and ends the daemon when the definition was given up: what evaluates it
// cannot be stopped, and takes more and more.
func endsWhenExceeded(plan func(context.Context, *impact.Catalog) *daemon.Planned, end context.CancelCauseFunc) func(context.Context, *impact.Catalog) *daemon.Planned {
	return func(ctx context.Context, good *impact.Catalog) *daemon.Planned {
		planned := plan(ctx, good)
		var over *budget.Exceeded
		if errors.As(planned.Err, &over) {
			end(planned.Err)
		}
		return planned
	}
}

// endedBySIGTERM tells whether the program was told to end in good order, not
// interrupted.
func endedBySIGTERM(ctx context.Context) bool {
	// signal.NotifyContext's cause is "terminated signal received".
	return ctx.Err() != nil && strings.HasPrefix(context.Cause(ctx).Error(), syscall.SIGTERM.String())
}

// alertOf is how a failure is made known beside the log; nil: not at all.
func alertOf(how string, p *terminal.Printer) func(title, text string) {
	switch how {
	case "bell":
		return func(string, string) { fmt.Fprint(p.Err, "\a") }
	case "desktop":
		return func(title, text string) {
			// It is only a courtesy: without a desktop nobody would see why it failed.
			_ = exec.Command("notify-send", "--app-name=rebuild", p.Seen(title), p.Seen(text)).Run()
		}
	}
	return nil
}

// onSuccess runs commands after builds (on_success) in a folder.
func onSuccess(dir string) func(context.Context, daemon.Command) ([]string, error) {
	return func(ctx context.Context, c daemon.Command) ([]string, error) {
		return session.Command(c).Run(ctx, dir)
	}
}

// lockDaemon makes this the repository's one daemon.
func lockDaemon(ctx context.Context, s *session.Session) (release func() error, err error) {
	release, err = session.Lock(ctx, s.WatchLock(), false, nil)
	var locked *session.Locked
	if errors.As(err, &locked) {
		return nil, alreadyWatched(ctx, s, locked.Holder)
	}
	return release, err
}

// alreadyWatched says which daemon the repository has. Its worktrees share the records
// and the tags, and so the daemon.
func alreadyWatched(ctx context.Context, of *session.Session, h session.Holder) error {
	root := of.Root
	if c, err := newClient(of.State, ""); err == nil {
		if s, err := c.Status(ctx); err == nil && s.Root != "" { // else it is starting or ending
			root = s.Root
		}
	}
	if root == of.Root {
		return hinted{fmt.Errorf("a daemon watches %s already: %s", root, h), "rebuild status, or rebuild stop"}
	}
	return hinted{fmt.Errorf("a daemon of this repository runs already, for %s: %s", root, h), "rebuild -C " + impact.ShellWord(root) + " stop"}
}
