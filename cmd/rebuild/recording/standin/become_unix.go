//go:build unix

package standin

import "syscall"

// execInPlace becomes a program under another name. It returns only an error.
func execInPlace(program string, argv, env []string) (int, error) {
	return failed, syscall.Exec(program, argv, env)
}
