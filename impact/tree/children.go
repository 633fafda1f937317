package tree

import (
	"os"
	"sync"
)

// children are the commands and temporary folders that serve one repository.
type children struct {
	mu    sync.Mutex
	pipes []*pipe
	dirs  []string
}

// pipe makes a command that is started when it is first asked.
func (c *children) pipe(git program, args ...string) *pipe {
	p := &pipe{program: git, args: args}
	c.mu.Lock()
	c.pipes = append(c.pipes, p)
	c.mu.Unlock()
	return p
}

// tempDir makes a folder that is removed with the repository.
func (c *children) tempDir() (string, error) {
	dir, err := os.MkdirTemp("", "rebuild-")
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
	for _, p := range c.pipes {
		p.close()
	}
	for _, dir := range c.dirs {
		os.RemoveAll(dir)
	}
	c.pipes, c.dirs = nil, nil
}
