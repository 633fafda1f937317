package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"rebuild/impact"
)

// SocketPath is where the daemon of a state folder listens. A socket's path must be
// short (108 bytes on Linux), so it lies in a folder of the user's own, not beside the
// records.
func SocketPath(state string) (string, error) {
	name := strings.TrimPrefix(string(impact.DigestOf("daemon", state)), "sha256:")[:12] + ".sock"
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "rebuild", name), nil
	}
	dir := filepath.Join(os.TempDir(), "rebuild-"+strconv.Itoa(os.Getuid()))
	if err := checkSocketFolder(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	return filepath.Join(dir, name), nil
}

// OpenFolder is a folder for sockets that is no folder, or that others may open: where
// anybody may make folders, another user may have been first.
type OpenFolder struct{ Dir string }

// Error implements error.
func (o *OpenFolder) Error() string {
	return o.Dir + ": it is not a folder that only this user may open"
}

func checkSocketFolder(dir string) error {
	fi, err := os.Lstat(dir)
	if err == nil && (!fi.IsDir() || !ownFolder(fi)) {
		return &OpenFolder{dir}
	}
	return err
}

// Listen opens the socket, for this user alone. The caller holds the daemon's lock, so
// that one that is there is nobody's.
func Listen(ctx context.Context, path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := checkSocketFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("socket: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("socket: %w", err)
	}
	return l, nil
}
