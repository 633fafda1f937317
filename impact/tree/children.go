package tree

import (
	"os"
	"sync"

	"rebuild/impact/safefile"
)

// children are the commands and temporary folders that serve one repository.
type children struct {
	mu    sync.Mutex
	pipes []*pipe
	dirs  []string
}

// pipe makes a command that is started when it is first asked.
func (c *children) pipe(git program, args ...string) *pipe {
	p := newPipe(git, args)
	c.mu.Lock()
	c.pipes = append(c.pipes, p)
	c.mu.Unlock()
	return p
}

// tempDir makes a folder that is removed with the repository.
func (c *children) tempDir() (string, error) {
	dir, err := safefile.TempDir()
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	c.dirs = append(c.dirs, dir)
	c.mu.Unlock()
	return dir, nil
}

func (c *children) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range c.pipes {
		wg.Go(p.close)
	}
	wg.Wait()
	for _, dir := range c.dirs {
		_ = os.RemoveAll(dir) // what is left of it lies among the system's temporary files
	}
	c.pipes, c.dirs = nil, nil
}
