package standin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"rebuild/impact/catalog/commandline"
)

// Call is what a script asked for once.
type Call struct {
	Number  int               `json:"-"` // in the order in which the calls began
	Program string            `json:"program"`
	Args    []string          `json:"args"`
	Dir     string            `json:"dir"`
	Env     map[string]string `json:"env,omitempty"` // what of the environment changes a build

	// One of these says what was asked for.
	Build      *Build          `json:"build,omitempty"`
	Definition *Definition     `json:"definition,omitempty"`
	Tag        []string        `json:"tag,omitempty"`     // source and target
	Removed    []string        `json:"removed,omitempty"` // images
	Found      []string        `json:"found,omitempty"`   // images that were there before the script asked for them
	Images     json.RawMessage `json:"images,omitempty"`  // what a definition's call builds, as Evaluate has it

	ID      string   `json:"id,omitempty"`      // of the image, as the script was told
	Tags    []string `json:"tags,omitempty"`    // that the call gives
	Exit    int      `json:"exit,omitempty"`    // of a call that failed
	Forced  bool     `json:"forced,omitempty"`  // it failed since it was to fail
	Lacking string   `json:"lacking,omitempty"` // why it cannot be recorded
}

// Build is a call of docker build.
type Build struct {
	Flags   []commandline.Flag `json:"flags"`
	Context string             `json:"context"` // as given
	File    string             `json:"file"`    // path of the Dockerfile; "" where it came on standard input, or lies in a remote context
	Text    string             `json:"text"`    // of the Dockerfile
	Stdin   bool               `json:"stdin,omitempty"`
	Bare    bool               `json:"bare,omitempty"` // without a context: "docker build -"
	Made    bool               `json:"made,omitempty"` // the Dockerfile was written since the recording began
}

// Definition is a call of bake or compose.
type Definition struct {
	Kind    string             `json:"kind"` // "bake" or "compose"
	Globals []commandline.Flag `json:"globals,omitempty"`
	Flags   []commandline.Flag `json:"flags"`
	Names   []string           `json:"names,omitempty"`
}

const callsFolder = "calls"

// claim takes the next number for a call.
func claim(folder string) (int, error) {
	entries, err := os.ReadDir(filepath.Join(folder, callsFolder))
	if err != nil {
		return 0, err
	}
	n := 1
	for _, e := range entries {
		if number, err := strconv.Atoi(strings.TrimSuffix(e.Name(), claimed)); err == nil {
			n = max(n, number+1)
		}
	}
	for ; ; n++ {
		f, err := os.OpenFile(filepath.Join(folder, callsFolder, strconv.Itoa(n)+claimed), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		return n, f.Close()
	}
}

const claimed = ".claimed"

// write writes a call under its number, in one step.
func (c *Call) write(folder string) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	name := filepath.Join(folder, callsFolder, strconv.Itoa(c.Number)+".json")
	if err := os.WriteFile(name+".part", data, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".part", name)
}

// Calls reads what was taken down, in the order in which it was asked for.
func Calls(folder string) ([]*Call, error) {
	entries, err := os.ReadDir(filepath.Join(folder, callsFolder))
	if err != nil {
		return nil, err
	}
	var calls []*Call
	for _, e := range entries {
		number, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".json"))
		if err != nil {
			continue
		}
		data, err := os.ReadFile(filepath.Join(folder, callsFolder, e.Name()))
		if err != nil {
			return nil, err
		}
		c := &Call{Number: number}
		if err := json.Unmarshal(data, c); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		calls = append(calls, c)
	}
	slices.SortFunc(calls, func(a, b *Call) int { return a.Number - b.Number })
	return calls, nil
}

// begin makes a call with what is common to all.
func (s *standIn) begin() (*Call, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	number, err := claim(s.folder)
	if err != nil {
		return nil, err
	}
	return &Call{Number: number, Program: s.program, Args: s.args, Dir: dir, Env: environment(os.Environ())}, nil
}

// secretNames are variables that begin like one that is kept, and hold a secret.
var secretNames = []string{"TOKEN", "AUTH", "PASSWORD", "SECRET", "HEADER"}

var (
	keptPrefixes = []string{"BUILDKIT_", "BUILDX_", "COMPOSE_"}
	keptNames    = []string{"DOCKER_BUILDKIT", "DOCKER_DEFAULT_PLATFORM", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "SOURCE_DATE_EPOCH"}
	proxies      = []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}
)

// environment keeps what of the environment changes a build, without passwords.
func environment(all []string) map[string]string {
	kept := map[string]string{}
	for _, e := range all {
		name, value, _ := strings.Cut(e, "=")
		hasPrefix := func(p string) bool { return strings.HasPrefix(name, p) }
		switch {
		case slices.ContainsFunc(secretNames, func(w string) bool { return strings.Contains(name, w) }):
		case slices.ContainsFunc(keptPrefixes, hasPrefix), slices.Contains(keptNames, name):
			kept[name] = value
		case slices.Contains(proxies, strings.ToUpper(name)):
			kept[name] = withoutPassword(value)
		}
	}
	return kept
}

func withoutPassword(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil && strings.Contains(address, "@"):
		return ""
	case err != nil || u.User == nil:
		return address
	}
	u.User = nil
	return u.String()
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
