package docker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/connhelper"
	dockercontext "github.com/docker/cli/cli/context"
	contextdocker "github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/context/store"
	"github.com/docker/cli/opts"

	"rebuild/impact/safefile"
)

// Options say which engine to talk to. The zero value is the one that the
// user's docker command talks to.
type Options struct {
	Host    string // as DOCKER_HOST
	Context string // as DOCKER_CONTEXT
	// Builders build instead of an engine: addresses of buildkitds, or names of builders, each
	// of which may be several. Nil: what the docker command would use.
	Builders []string
	Load     Loading

	// Timeout is how long the engine may take until it begins to answer; 0: AnswersWithin.
	// A build takes as long as it takes.
	Timeout time.Duration
}

// endpoint is where an engine listens, and how it is dialed.
type endpoint struct {
	host string      // as the user wrote it
	tls  *tls.Config // nil: none
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	url  string // what stands for the host in requests; "" is host itself
	from string // what chose it: "--host", "DOCKER_HOST", "context x", ""

	builder bool
	node    string        // of a builder with several: "BUILDER/NODE"
	named   bool          // a builder of buildx, whose name is the host
	certs   *certificates // of a builder's address; nil: none
}

// defaultContext is the name that stands for the environment's own host.
const defaultContext = "default"

// resolveEndpoint follows docker's own order (cli/command.resolveContextName):
// what is asked for, DOCKER_HOST, DOCKER_CONTEXT, the configured context.
func resolveEndpoint(o Options, cfg *configfile.ConfigFile) (endpoint, error) {
	if o.Host != "" && o.Context != "" {
		return endpoint{}, errors.New("a host and a context are given: choose one")
	}
	switch {
	case o.Host != "":
		return hostEndpoint(o.Host, "--host")
	case o.Context != "":
		return contextEndpoint(o.Context)
	case os.Getenv("DOCKER_HOST") != "":
		return hostEndpoint(os.Getenv("DOCKER_HOST"), "DOCKER_HOST")
	case os.Getenv("DOCKER_CONTEXT") != "":
		return contextEndpoint(os.Getenv("DOCKER_CONTEXT"))
	case cfg.CurrentContext != "":
		return contextEndpoint(cfg.CurrentContext)
	}
	return hostEndpoint("", "")
}

// hostEndpoint is a host with the TLS settings of the environment, as the docker
// command has them (cli/flags).
func hostEndpoint(host, from string) (endpoint, error) {
	verify := os.Getenv("DOCKER_TLS_VERIFY") != ""
	useTLS := verify || os.Getenv("DOCKER_TLS") != ""
	host, err := opts.ParseHost(useTLS, host)
	if err != nil {
		return endpoint{}, fmt.Errorf("docker host %q: %w", host, err)
	}
	ep := endpoint{host: host, from: from}
	if useTLS && !isSocket(host) {
		dir := os.Getenv("DOCKER_CERT_PATH")
		if dir == "" {
			dir = config.Dir()
		}
		if ep.tls, err = loadTLS(dir, verify); err != nil {
			return endpoint{}, err
		}
	}
	return ep.withHelper()
}

// loadTLS reads ca.pem, cert.pem and key.pem; without verification each may be
// absent.
func loadTLS(dir string, verify bool) (*tls.Config, error) {
	var data dockercontext.TLSData
	for name, to := range map[string]*[]byte{"ca.pem": &data.CA, "cert.pem": &data.Cert, "key.pem": &data.Key} {
		b, err := safefile.Read(filepath.Join(dir, name), safefile.Text)
		if err != nil && (verify || !errors.Is(err, os.ErrNotExist)) {
			return nil, fmt.Errorf("docker tls: %w", err)
		}
		*to = b
	}
	return clientTLS(&data, !verify)
}

func clientTLS(data *dockercontext.TLSData, skipVerify bool) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: skipVerify}
	if data == nil {
		return cfg, nil
	}
	if len(data.CA) > 0 {
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(data.CA) {
			return nil, errors.New("docker tls: ca.pem holds no certificate")
		}
	}
	if len(data.Cert) > 0 && len(data.Key) > 0 {
		pair, err := tls.X509KeyPair(data.Cert, data.Key)
		if err != nil {
			return nil, fmt.Errorf("docker tls: cert.pem and key.pem: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// contextEndpoint reads a context of the docker command.
func contextEndpoint(name string) (endpoint, error) {
	if name == defaultContext {
		return hostEndpoint(os.Getenv("DOCKER_HOST"), "DOCKER_HOST")
	}
	contexts := store.New(config.ContextStoreDir(), contextConfig())
	meta, err := contexts.GetMetadata(name)
	if err != nil {
		return endpoint{}, fmt.Errorf("docker context %q: %w", name, err)
	}
	docker, err := contextdocker.EndpointFromContext(meta)
	if err != nil {
		return endpoint{}, fmt.Errorf("docker context %q: %w", name, err)
	}
	full, err := contextdocker.WithTLSData(contexts, name, docker)
	if err != nil {
		return endpoint{}, fmt.Errorf("docker context %q: %w", name, err)
	}
	host, err := opts.ParseHost(false, full.Host)
	if err != nil {
		return endpoint{}, fmt.Errorf("docker context %q: host %q: %w", name, full.Host, err)
	}
	ep := endpoint{host: host, from: "context " + name}
	if (full.TLSData != nil || full.SkipTLSVerify) && !isSocket(host) {
		if ep.tls, err = clientTLS(full.TLSData, full.SkipTLSVerify); err != nil {
			return endpoint{}, fmt.Errorf("docker context %q: %w", name, err)
		}
	}
	return ep.withHelper()
}

// contextConfig is how contexts are kept.
func contextConfig() store.Config {
	return store.NewConfig(
		func() any { return &map[string]any{} },
		store.EndpointTypeGetter(contextdocker.DockerEndpoint, func() any { return &contextdocker.EndpointMeta{} }),
	)
}

// withHelper lets ssh:// hosts be dialed through the ssh command.
func (ep endpoint) withHelper() (endpoint, error) {
	helper, err := connhelper.GetConnectionHelper(ep.host)
	if err != nil {
		return endpoint{}, fmt.Errorf("docker host %q: %w", ep.host, err)
	}
	if helper != nil {
		ep.dial, ep.url = helper.Dialer, helper.Host
	}
	return ep, nil
}

func isSocket(host string) bool {
	scheme, _, _ := strings.Cut(host, "://")
	return scheme == "unix" || scheme == "npipe" || scheme == "fd"
}
