package hooks

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// traceFile is where a check leaves its trace when it is made now, in the folder that
// the process runs in; "" when there is no place for one. What a check is told beside
// commits has a part in the file's name: the program, its arguments, the environment.
func traceFile(check []string) (string, error) {
	program, err := os.Stat(check[0])
	if err != nil {
		return "", err
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	common := commonDir()
	if common == "" {
		return "", nil
	}
	h := sha256.New()
	put := func(list ...string) {
		fmt.Fprintf(h, "%d\x00", len(list))
		for _, s := range list {
			h.Write([]byte(s + "\x00"))
		}
	}
	put(dir, fmt.Sprint(program.Size()), fmt.Sprint(program.ModTime().UnixNano()))
	put(check...)
	put(environ()...)
	return filepath.Join(common, "rebuild", "pushes", hex.EncodeToString(h.Sum(nil)[:8])), nil
}

// environ is the environment without what each shell sets anew.
func environ() []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return name == "_" || name == "SHLVL" || name == "OLDPWD" || name == TraceVar
	})
	slices.Sort(env)
	return env
}

// commonDir is the git folder that all working trees of the repository share, as a
// hook finds it (gitrepository-layout(5)); "" when it is not there.
func commonDir() string {
	dir := os.Getenv("GIT_DIR")
	if dir == "" {
		dir = ".git"
	}
	if text, err := os.ReadFile(dir); err == nil {
		link, ok := strings.CutPrefix(string(text), "gitdir: ")
		if !ok {
			return ""
		}
		dir = strings.TrimRight(link, "\r\n")
	}
	if text, err := os.ReadFile(filepath.Join(dir, "commondir")); err == nil {
		common := strings.TrimRight(string(text), "\r\n")
		if !filepath.IsAbs(common) {
			common = filepath.Join(dir, common)
		}
		dir = common
	}
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
		return ""
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	return dir
}
