package watch

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	probePrefix = ".rebuild-probe-"
	// probeTime is how long a probe's event may take. Locally it takes less than 1 ms;
	// a false alarm costs polling.
	probeTime = time.Second
)

// probe makes and removes a file in the first of the folders that may be written to,
// and gives that folder; "" when there is none.
func probe(folders []string) string {
	for _, dir := range folders {
		path := filepath.Join(dir, probePrefix+strconv.Itoa(os.Getpid()))
		// In a container a killed process may have had the same id.
		_ = os.Remove(path)
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			continue
		}
		_ = f.Close() // nothing was written
		_ = os.Remove(path)
		return dir
	}
	return ""
}

// isProbe tells whether a path is a probe's, of this process or another one.
func isProbe(path string) bool {
	return strings.HasPrefix(filepath.Base(path), probePrefix)
}
