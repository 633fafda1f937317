package docker

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/docker/cli/cli/config/configfile"
	digest "github.com/opencontainers/go-digest"

	"rebuild/impact"
	"rebuild/impact/safefile"
)

// dockerDriver is the driver of builders that are an engine's own BuildKit.
const dockerDriver = "docker"

// usedBuilder is the builder that "docker buildx use" chose for the engine that the docker
// command talks to, "" when that is the engine itself (buildx storeutil.GetCurrentInstance,
// store.Txn.Current). Buildx's own code takes a lock there, and writes.
func usedBuilder(o Options, cfg *configfile.ConfigFile) (string, error) {
	var current struct {
		Key, Name string
		Global    bool
	}
	switch ok, err := readBuildx("current", &current); {
	case err != nil:
		return "", err
	case ok && current.Name != "" && current.Global:
		if name, ok, err := builderDriven(current.Name); ok || err != nil {
			return name, err
		}
	}
	key, err := currentKey(o, cfg)
	if err != nil {
		return "", err
	}
	if current.Name != "" && current.Key == key {
		name, _, err := builderDriven(current.Name)
		return name, err
	}
	data, err := readBuildxFile(filepath.Join("defaults", digest.FromString(key).Encoded()[:20]))
	if err != nil || data == nil {
		return "", err
	}
	name, _, err := builderDriven(string(data))
	return name, err
}

// currentKey is what buildx notes a choice under: the docker context, or of the default
// one its host (dockerutil.GetCurrentEndpoint).
func currentKey(o Options, cfg *configfile.ConfigFile) (string, error) {
	if os.Getenv("DOCKER_HOST") == "" {
		if name := cmp.Or(os.Getenv("DOCKER_CONTEXT"), cfg.CurrentContext, defaultContext); name != defaultContext {
			return name, nil
		}
	}
	ep, err := resolveEndpoint(o, cfg)
	return ep.host, err
}

// builderDriven is a builder's name, or "" for an engine's own BuildKit; ok is false when
// there is none of the name any more.
func builderDriven(name string) (used string, ok bool, err error) {
	var group struct{ Name, Driver string }
	if ok, err = readBuildx(filepath.Join("instances", filepath.Base(name)), &group); err != nil || !ok || group.Driver == dockerDriver {
		return "", ok, err
	}
	return group.Name, true, nil
}

// readBuildx reads one of buildx's files; ok is false when it is not there.
func readBuildx(name string, into any) (ok bool, err error) {
	data, err := readBuildxFile(name)
	if err != nil || data == nil {
		return false, err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return false, unreadBuilder(fmt.Errorf("%s: %w", filepath.Join(buildxFolder(), name), err))
	}
	return true, nil
}

// readBuildxFile is the text of one of buildx's files, nil when it is not there.
func readBuildxFile(name string) ([]byte, error) {
	data, err := safefile.Read(filepath.Join(buildxFolder(), name), safefile.Text)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unreadBuilder(err)
	}
	return data, nil
}

func unreadBuilder(err error) error {
	return &impact.Fault{Cause: fmt.Sprintf("the builder that docker build would use: %v", err), Hint: "name one: --builder default is the engine itself"}
}
