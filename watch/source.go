package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// source is what is used of the system: an fsnotify.Watcher, whose close closes
// events, and the kind of a folder's file system when that reports none.
type source struct {
	events      <-chan fsnotify.Event
	errors      <-chan error
	add, remove func(path string) error
	close       func() error
	silentKind  func(dir string) string
}

// openFsnotify opens the system's source of events. A *deafError says that there is
// none to be had.
func openFsnotify() (*source, error) {
	w, err := fsnotify.NewWatcher()
	switch {
	case errors.Is(err, syscall.EMFILE):
		return nil, &deafError{"the user's limit of inotify instances or of open files is reached (fs.inotify.max_user_instances)"}
	case err != nil:
		return nil, &deafError{fmt.Sprintf("file events cannot be had: %v", err)}
	}
	return &source{w.Events, w.Errors, w.Add, w.Remove, w.Close, silentKind}, nil
}

// place adds one watch. It is not placed when the folder is gone again, or may not be
// read. A *deafError says that there are no more watches to be had.
func (s *source) place(path string) (placed bool, err error) {
	err = s.add(path)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, syscall.ENOSPC):
		return false, &deafError{"the user's limit of inotify watches is reached (fs.inotify.max_user_watches)"}
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return false, &deafError{"the limit of open files is reached"}
	case errors.Is(err, fs.ErrPermission):
		return false, nil
	}
	if info, statErr := os.Stat(path); statErr != nil || !info.IsDir() {
		return false, nil
	}
	return false, &deafError{fmt.Sprintf("watch %s: %v", path, err)}
}
