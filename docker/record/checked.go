package record

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"rebuild/impact"
	"rebuild/impact/safefile"
)

// maxChecked bounds the list of checked states: some hundred pushes of large
// repositories, in a file that is read in a millisecond.
const maxChecked = 4096

func (s *Store) checkedFile() string { return filepath.Join(s.runDir(), "checked") }

// Checked are the states (see StateDigest) that the engine has built once for a
// check, whatever images it holds now. One that is lost costs a cached build.
func (s *Store) Checked() (map[impact.Digest]bool, error) {
	list, err := s.checkedList()
	set := make(map[impact.Digest]bool, len(list))
	for _, d := range list {
		set[impact.Digest(d)] = true
	}
	return set, err
}

func (s *Store) checkedList() ([]string, error) {
	data, err := safefile.Read(s.checkedFile(), safefile.Record)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list of checked states: %w", err)
	}
	return strings.Fields(string(data)), nil
}

// AddChecked notes states that were built.
func (s *Store) AddChecked(states ...impact.Digest) error {
	list, err := s.checkedList()
	if err != nil {
		return err
	}
	for _, d := range states {
		list = append(slices.DeleteFunc(list, func(old string) bool { return old == string(d) }), string(d))
	}
	list = list[max(0, len(list)-maxChecked):]
	if err := ReplaceFile(s.checkedFile(), []byte(strings.Join(list, "\n")+"\n")); err != nil {
		return fmt.Errorf("list of checked states: %w", err)
	}
	return nil
}
