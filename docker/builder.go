package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/buildx/store"
	"github.com/docker/buildx/util/confutil"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/connhelper/commandconn"
	contextstore "github.com/docker/cli/cli/context/store"
	_ "github.com/moby/buildkit/client/connhelper/dockercontainer" // docker-container:// addresses
	_ "github.com/moby/buildkit/client/connhelper/kubepod"         // kube-pod:// addresses
	_ "github.com/moby/buildkit/client/connhelper/podmancontainer" // podman-container:// addresses
	_ "github.com/moby/buildkit/client/connhelper/ssh"             // ssh:// addresses

	"rebuild/impact"
	"rebuild/impact/spelling"
)

// builderSchemes are the addresses of a buildkitd that can be dialed.
var builderSchemes = []string{"tcp", "unix", "npipe", "docker-container", "podman-container", "kube-pod", "ssh"}

// builderEndpoint is where the builder is that a user names: at its address; the engine of a
// docker context, which is a builder of that name for buildx, too; or what
// "docker buildx create" made, which may have several nodes. from is the flag or the
// variable that names it.
func builderEndpoint(asked, from string) ([]endpoint, error) {
	if scheme, rest, ok := strings.Cut(asked, "://"); ok {
		if rest == "" || !slices.Contains(builderSchemes, scheme) {
			return nil, &impact.Fault{
				Cause: fmt.Sprintf("%s %s: not an address (%s)", from, asked, strings.Join(builderSchemes, "://, ")+"://"),
				Hint:  "docker buildx ls",
			}
		}
		address, certs, err := splitCertificates(asked, from)
		return []endpoint{{host: address, from: from, builder: true, certs: certs}}, err
	}
	contexts, err := contextNames()
	if err != nil {
		return nil, err
	}
	if slices.Contains(contexts, asked) {
		ep, err := contextEndpoint(asked)
		return []endpoint{ep}, err
	}
	names, err := builderNames()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, strings.ToLower(asked)) { // as buildx spells them (store.ValidateName)
		return nil, &impact.Fault{Cause: fmt.Sprintf("%s %s: no such builder%s", from, asked, spelling.DidYouMean(asked, append(names, contexts...))), Hint: "docker buildx ls"}
	}
	if nodes, err := builderNodes(strings.ToLower(asked), from); len(nodes) > 1 || err != nil {
		return nodes, err
	}
	buildx, err := buildxCommand()
	if err != nil {
		return nil, &impact.Fault{Cause: fmt.Sprintf("%s %s: a builder is reached by its name through buildx: %v", from, asked, err), Hint: "install docker's buildx plugin, or give the builder's address"}
	}
	command := append(buildx, "dial-stdio", "--builder", asked)
	return []endpoint{{host: asked, from: from, builder: true, named: true, dial: through(command)}}, nil
}

// through dials by a command whose standard input and output are the connection.
func through(command []string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return commandconn.New(ctx, command[0], command[1:]...) // which outlives ctx
	}
}

// contextNames are docker's contexts, the default one with them.
func contextNames() ([]string, error) {
	list, err := contextstore.New(config.ContextStoreDir(), contextConfig()).List()
	if err != nil {
		return nil, fmt.Errorf("docker contexts: %w", err)
	}
	names := []string{defaultContext}
	for _, m := range list {
		names = append(names, m.Name)
	}
	return names, nil
}

// builderNames are the builders that "docker buildx create" made, sorted.
func builderNames() ([]string, error) {
	var names []string
	err := inBuildersStore(func(txn *store.Txn) error {
		list, err := txn.List()
		for _, g := range list {
			names = append(names, g.Name)
		}
		return err
	})
	return names, err
}

// buildxFolder is where buildx keeps what it knows of builders.
func buildxFolder() string {
	return cmp.Or(os.Getenv("BUILDX_CONFIG"), filepath.Join(config.Dir(), "buildx"))
}

// inBuildersStore reads where buildx notes its builders, if it ever did.
func inBuildersStore(read func(*store.Txn) error) error {
	dir := buildxFolder()
	if _, err := os.Stat(filepath.Join(dir, "instances")); errors.Is(err, os.ErrNotExist) {
		return nil // the store would make the folder
	}
	s, err := store.New(confutil.NewConfig(nil, confutil.WithDir(dir)))
	if err != nil {
		return fmt.Errorf("buildx's builders: %w", err)
	}
	txn, release, err := s.Txn()
	if err != nil {
		return fmt.Errorf("buildx's builders: %w", err)
	}
	defer release()
	if err := read(txn); err != nil {
		return fmt.Errorf("buildx's builders: %w", err)
	}
	return nil
}

// buildxCommand is buildx as docker's plugin, or else by itself.
func buildxCommand() ([]string, error) {
	if exec.Command("docker", "buildx", "version").Run() == nil {
		return []string{"docker", "buildx"}, nil
	}
	alone, err := exec.LookPath("buildx")
	if err != nil {
		return nil, errors.New("neither docker buildx nor buildx is there")
	}
	return []string{alone}, nil
}
