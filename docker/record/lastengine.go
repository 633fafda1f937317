package record

import (
	"errors"
	"io/fs"
	"path/filepath"

	"rebuild/impact/safefile"
)

// lastEngineFile names the engine of the last run, so that a plan can be made
// without asking one.
const lastEngineFile = "engine"

// LastEngineFile is the file under dir that LastEngine reads.
func LastEngineFile(dir string) string { return filepath.Join(dir, lastEngineFile) }

// LastEngine is the id of the engine that the records under dir were last used
// with, "" when there was none.
func LastEngine(dir string) string {
	id, err := safefile.Read(LastEngineFile(dir), safefile.Text)
	if err != nil {
		return ""
	}
	return string(id)
}

// UseEngine notes the engine that a run uses.
func UseEngine(dir, id string) error {
	path := LastEngineFile(dir)
	if old, err := safefile.Read(path, safefile.Text); err == nil && string(old) == id {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return ReplaceFile(path, []byte(id))
}
