package safefile

import "os"

// ended tells whether there is no process of that id.
func ended(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return true
	}
	_ = p.Release() // nothing was done with it
	return false
}
