package hooks

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// BothError says that a hook of somebody else stands where ours goes, and that
// another one is kept already.
type BothError struct{ File, Kept string }

// Error implements error.
func (e *BothError) Error() string {
	return fmt.Sprintf("%s is another hook, and %s is kept from before", e.File, e.Kept)
}

// writeFile puts the hook file in its place. A hook of somebody else is kept beside
// it; one to which the user added our line by himself stays as it is.
func (p *Place) writeFile(c Command) (changed bool, err error) {
	text := []byte(c.script())
	old, err := readHook(p.File())
	if err != nil || bytes.Equal(old, text) || callsUs(old) && !isOurs(old) {
		return false, err
	}
	if old != nil && !isOurs(old) {
		if _, err := os.Lstat(p.Kept()); err == nil {
			return false, &BothError{p.File(), p.Kept()}
		}
		// It stays in its folder, since it may look for files beside it.
		if err := os.Rename(p.File(), p.Kept()); err != nil {
			return false, err
		}
	}
	return true, replaceFile(p.File(), text, 0o755)
}

// removeFile takes our hook file away and puts a kept one back. A hook that
// somebody else put in place of ours stays.
func (p *Place) removeFile() (changed bool, err error) {
	old, err := readHook(p.File())
	if err != nil || old != nil && !isOurs(old) {
		return false, err
	}
	err = os.Rename(p.Kept(), p.File())
	switch {
	case err == nil:
		return true, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, err
	case old == nil:
		return false, nil
	}
	return true, os.Remove(p.File())
}

func isOurs(text []byte) bool { return bytes.Contains(text, []byte(mark)) }

// callsUs tells whether a hook has a line that runs us, comments apart.
func callsUs(text []byte) bool {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if !bytes.HasPrefix(line, []byte("#")) && bytes.Contains(line, []byte("hook run pre-push")) {
			return true
		}
	}
	return false
}

// readHook gives a hook's text, nil when there is none. A link that leads nowhere
// is an empty one.
func readHook(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err != nil {
			return nil, nil
		}
		return []byte{}, nil
	}
	return text, err
}
