//go:build unix

package budget

import (
	"time"

	"golang.org/x/sys/unix"
)

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0 // cannot be; then memory is all that is watched
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
