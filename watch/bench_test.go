package watch

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// BenchmarkSaveToBatch is the time from the start of a write until it is known of:
// with a batch, of which Quiet is the most, and by fsnotify alone.
func BenchmarkSaveToBatch(b *testing.B) {
	// The saves go from folder to folder: in one, they would make up a burst so long
	// that the quiet adapts to it.
	dirs := []string{b.TempDir(), b.TempDir()}
	measure := func(b *testing.B, known func(path string)) {
		var took time.Duration
		for i := 0; b.Loop(); i++ {
			path := filepath.Join(dirs[i%2], "file")
			began := time.Now()
			if err := os.WriteFile(path, []byte("x"), 0o666); err != nil {
				b.Fatal(err)
			}
			known(path)
			took += time.Since(began)
		}
		b.ReportMetric(float64(took)/float64(time.Millisecond)/float64(b.N), "ms/save")
	}
	b.Run("batch", func(b *testing.B) {
		sets, batches := make(chan []string, 1), make(chan Batch)
		sets <- dirs
		ctx := b.Context()
		go func() { _ = Run(ctx, sets, batches, Options{}) }()
		<-batches
		measure(b, func(path string) {
			for batch := range batches {
				if slices.Contains(batch.Paths, path) {
					return
				}
			}
		})
	})
	b.Run("fsnotify", func(b *testing.B) {
		w, err := fsnotify.NewWatcher()
		if err != nil {
			b.Fatal(err)
		}
		defer w.Close()
		for _, dir := range dirs {
			if err := w.Add(dir); err != nil {
				b.Fatal(err)
			}
		}
		measure(b, func(path string) {
			for e := range w.Events {
				if e.Name == path && e.Has(fsnotify.Write) {
					return
				}
			}
		})
	})
}
