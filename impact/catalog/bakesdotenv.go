package catalog

import (
	"fmt"
	"io/fs"
	"os"

	"rebuild/impact/safefile"
)

// checkBakesDotenv refuses a .env that bake could not read to its end. Whatever it is
// given, bake reads that of the folder of the process (bake.composeEnv), without bounds;
// it serves compose files only, and ours are no longer some when bake gets them.
func checkBakesDotenv() error {
	const name = ".env"
	fi, err := os.Stat(name)
	if err != nil || fi.IsDir() { // bake passes both over
		return nil
	}
	switch {
	case !fi.Mode().IsRegular():
		err = safefile.NotRegular(fi.Mode())
	case fi.Size() > safefile.Text:
		err = safefile.TooLarge(safefile.Text)
	default:
		return nil
	}
	return fmt.Errorf("definition %s: %w", name, &fs.PathError{Op: "read", Path: name, Err: err})
}
