package docker

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/docker/buildx/store"

	"rebuild/impact"
)

// builderNodes are the nodes of a builder that "docker buildx create --append" made, each
// a builder by itself. Nil: it has one, or nobody can reach one alone (kubernetes, cloud):
// buildx chooses among those.
func builderNodes(name, from string) ([]endpoint, error) {
	var group *store.NodeGroup
	err := inBuildersStore(func(txn *store.Txn) (err error) {
		group, err = txn.NodeGroupByName(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil || group == nil || len(group.Nodes) < 2 {
		return nil, err
	}
	var nodes []endpoint
	for _, n := range group.Nodes {
		ep := endpoint{host: n.Endpoint, node: group.Name + "/" + n.Name, from: from, builder: true}
		switch group.Driver {
		case "remote":
			if ep.certs, err = nodeCertificates(n); err != nil {
				return nil, &impact.Fault{Cause: fmt.Sprintf("%s %s: %v", from, ep.node, err), Hint: "docker buildx inspect " + impact.ShellWord(name)}
			}
		case "docker-container":
			// buildx driver/docker-container dials the same, by the API.
			command := []string{"docker", "--context", n.Endpoint, "exec", "-i", "buildx_buildkit_" + n.Name, "buildctl", "dial-stdio"}
			if strings.Contains(n.Endpoint, "://") {
				command[1] = "--host"
			}
			ep.named, ep.dial = true, through(command)
		default:
			return nil, nil
		}
		nodes = append(nodes, ep)
	}
	return nodes, nil
}

// nodeCertificates are those of a remote builder's node; nil: none.
func nodeCertificates(n store.Node) (*certificates, error) {
	certs := &certificates{ca: n.DriverOpts["cacert"], cert: n.DriverOpts["cert"], key: n.DriverOpts["key"], server: n.DriverOpts["servername"]}
	if *certs == (certificates{}) {
		return nil, nil
	}
	for _, file := range []string{certs.ca, certs.cert, certs.key} {
		if file != "" && !filepath.IsAbs(file) {
			return nil, fmt.Errorf("%s is no absolute path", file)
		}
	}
	return certs, certs.check()
}
