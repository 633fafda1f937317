package watch

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestHistories makes folders, links and renames at random and at full speed. After
// each history all folders of the set must be watched: a new file in one is reported,
// or the folder is, if its watch came after the file.
func TestHistories(t *testing.T) {
	for _, polling := range []bool{false, true} {
		for seed := range uint64(20) {
			t.Run(fmt.Sprintf("polling=%v/%d", polling, seed), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(seed, 0))
				name := func() string {
					path := ""
					for range 1 + random.IntN(3) {
						path = filepath.Join(path, string(rune('a'+random.IntN(3))))
					}
					return path
				}
				s := newStage(t, Options{Quiet: 5 * time.Millisecond, Poll: 10 * time.Millisecond, Polling: polling})
				for round := range 8 {
					set := []string{name(), name(), name()}
					s.where = fmt.Sprintf("seed %d, round %d, set %v", seed, round, set)
					s.watch(set...)
					history := ""
					for range random.IntN(25) {
						// Many of them fail, which is as good a history.
						from, to := name(), name()
						what := ""
						switch random.IntN(7) {
						case 0, 1, 2:
							what = "mkdir " + to
							_ = os.MkdirAll(s.path(to), 0o777)
						case 3:
							what = "rm " + to
							_ = os.RemoveAll(s.path(to))
						case 4, 5:
							what = "mv " + from + " " + to
							_ = os.Rename(s.path(from), s.path(to))
						case 6:
							what = "ln " + from + " " + to
							_ = os.Symlink(s.path(from), s.path(to))
						}
						history += what + "; "
					}
					s.where += ": " + history
					for range 2 { // the second time, no report of a folder is on its way any more
						clear(s.seen)
						for _, dir := range set {
							s.count++
							path := filepath.Join(dir, fmt.Sprintf("file-%d", s.count))
							if os.WriteFile(s.path(path), nil, 0o666) == nil {
								s.see(dir + "|" + path)
							}
						}
						s.sentinel()
					}
				}
			})
		}
	}
}
