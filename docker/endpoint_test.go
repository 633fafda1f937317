package docker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	dockercontext "github.com/docker/cli/cli/context"
	contextdocker "github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/context/store"
)

// configDir is a docker configuration with the contexts "remote" (tcp), "sshed"
// and "local".
func configDir(t *testing.T) {
	t.Helper()
	old := config.Dir()
	config.SetDir(t.TempDir())
	t.Cleanup(func() { config.SetDir(old) })
	contexts := store.New(config.ContextStoreDir(), contextConfig())
	for name, host := range map[string]string{"remote": "tcp://10.0.0.1:2376", "sshed": "ssh://me@build.example.com", "local": "unix:///run/other.sock"} {
		err := contexts.CreateOrUpdate(store.Metadata{Name: name, Metadata: map[string]any{}, Endpoints: map[string]any{
			contextdocker.DockerEndpoint: dockercontext.EndpointMetaBase{Host: host, SkipTLSVerify: name == "remote"},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestEndpoint(t *testing.T) {
	tests := []struct {
		name       string
		opts       Options
		env        map[string]string
		current    string
		host, from string
		tls, dial  bool
		err        string
	}{
		{name: "nothing", host: "unix:///var/run/docker.sock"},
		{name: "DOCKER_HOST", env: map[string]string{"DOCKER_HOST": "tcp://h:1"}, current: "remote", host: "tcp://h:1", from: "DOCKER_HOST"},
		{name: "host without scheme", opts: Options{Host: "h:2375"}, host: "tcp://h:2375", from: "--host"},
		{name: "DOCKER_HOST before DOCKER_CONTEXT", env: map[string]string{"DOCKER_HOST": "unix:///x", "DOCKER_CONTEXT": "remote"}, host: "unix:///x", from: "DOCKER_HOST"},
		{name: "DOCKER_CONTEXT", env: map[string]string{"DOCKER_CONTEXT": "remote"}, current: "local", host: "tcp://10.0.0.1:2376", from: "context remote", tls: true},
		{name: "current", current: "local", host: "unix:///run/other.sock", from: "context local"},
		{name: "current default", current: "default", host: "unix:///var/run/docker.sock", from: "DOCKER_HOST"},
		{name: "asked for", opts: Options{Context: "local"}, env: map[string]string{"DOCKER_HOST": "tcp://h:1"}, host: "unix:///run/other.sock", from: "context local"},
		{name: "ssh", opts: Options{Context: "sshed"}, host: "ssh://me@build.example.com", from: "context sshed", dial: true},
		{name: "ssh host", env: map[string]string{"DOCKER_HOST": "ssh://h"}, host: "ssh://h", from: "DOCKER_HOST", dial: true},
		{name: "tls", env: map[string]string{"DOCKER_HOST": "tcp://h:2376", "DOCKER_TLS": "1", "DOCKER_CERT_PATH": "/nonexistent"}, host: "tcp://h:2376", from: "DOCKER_HOST", tls: true},
		{name: "no tls on a socket", env: map[string]string{"DOCKER_HOST": "unix:///x", "DOCKER_TLS_VERIFY": "1"}, host: "unix:///x", from: "DOCKER_HOST"},
		{name: "BUILDX_BUILDER is a context", env: map[string]string{"BUILDX_BUILDER": "remote", "DOCKER_HOST": "tcp://h:1"}, current: "local", host: "tcp://10.0.0.1:2376", from: "context remote", tls: true},
		{name: "BUILDX_BUILDER is default", env: map[string]string{"BUILDX_BUILDER": "default", "DOCKER_CONTEXT": "remote"}, current: "local", host: "unix:///var/run/docker.sock", from: "DOCKER_HOST"},
		{name: "asked for before BUILDX_BUILDER", opts: Options{Host: "tcp://h:1"}, env: map[string]string{"BUILDX_BUILDER": "cloud"}, host: "tcp://h:1", from: "--host"},
		{name: "BUILDX_BUILDER is no context", env: map[string]string{"BUILDX_BUILDER": "cloud"}, err: "BUILDX_BUILDER cloud"},

		{name: "both", opts: Options{Host: "unix:///x", Context: "local"}, err: "choose one"},
		{name: "unknown context", opts: Options{Context: "nosuch"}, err: `docker context "nosuch"`},
		{name: "bad host", opts: Options{Host: "gopher://x"}, err: "gopher"},
		{name: "no certificates", env: map[string]string{"DOCKER_HOST": "tcp://h:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/nonexistent"}, err: "/nonexistent"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			configDir(t)
			for _, name := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", builderVariable} {
				t.Setenv(name, tt.env[name])
			}
			eps, err := chosen(tt.opts, &configfile.ConfigFile{CurrentContext: tt.current})
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if ep := eps[0]; len(eps) > 1 || ep.host != tt.host || ep.from != tt.from || (ep.tls != nil) != tt.tls || (ep.dial != nil) != tt.dial {
				t.Errorf("%+v", eps)
			}
		})
	}
}

func TestTLSFiles(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	for name, data := range map[string][]byte{"ca.pem": certPEM, "cert.pem": certPEM, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := loadTLS(dir, true)
	if err != nil || cfg.RootCAs == nil || len(cfg.Certificates) != 1 || cfg.InsecureSkipVerify {
		t.Errorf("%+v %v", cfg, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadTLS(dir, true); err == nil {
		t.Error("a damaged ca.pem is taken")
	}
}

func TestBuilderEndpoint(t *testing.T) {
	configDir(t)
	buildx := filepath.Join(config.Dir(), "buildx", "instances")
	if err := os.MkdirAll(buildx, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(buildx, "cloud"), []byte(`{"Name":"cloud","Driver":"remote","Nodes":[{"Name":"cloud0","Endpoint":"tcp://h:1"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"tcp://h:1234", "unix:///run/b.sock", "docker-container://b", "kube-pod://b"} {
		if eps, err := builderEndpoint(address, "--builder"); err != nil || !eps[0].builder || eps[0].host != address || eps[0].named {
			t.Errorf("%s: %+v %v", address, eps, err)
		}
	}
	if eps, err := builderEndpoint("remote", builderVariable); err != nil || eps[0].builder || eps[0].host != "tcp://10.0.0.1:2376" {
		t.Errorf("a docker context: %+v %v", eps, err)
	}
	for asked, want := range map[string]string{
		"mybuilder": "--builder mybuilder: no such builder",
		"cluod":     `did you mean "cloud"?`,
		"remove":    `did you mean "remote"?`,
		"tcp://":    "not an address",
		"http://x":  "not an address",
		"":          "no such builder",
		"../cloud":  "no such builder",
	} {
		if _, err := builderEndpoint(asked, "--builder"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", asked, err, want)
		}
	}
	if eps, err := chosen(Options{Host: "tcp://h:1"}, &configfile.ConfigFile{}); err != nil || eps[0].host != "tcp://h:1" {
		t.Errorf("a host goes first: %+v %v", eps, err)
	}
	t.Setenv(builderVariable, "nosuch")
	if _, err := chosen(Options{}, &configfile.ConfigFile{}); err == nil || !strings.Contains(err.Error(), "BUILDX_BUILDER nosuch: no such builder") {
		t.Errorf("%v", err)
	}
	t.Setenv("BUILDX_CONFIG", t.TempDir())
	if _, err := builderEndpoint("cloud", "--builder"); err == nil {
		t.Error("a builder of another configuration is taken")
	}
}

// Builders are named one after another, and one of buildx's has several nodes.
func TestBuilderEndpoints(t *testing.T) {
	configDir(t)
	buildx := filepath.Join(config.Dir(), "buildx", "instances")
	if err := os.MkdirAll(buildx, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, group := range map[string]string{
		"far":    `{"Name":"far","Driver":"remote","Nodes":[{"Name":"far0","Endpoint":"tcp://h:1"},{"Name":"far1","Endpoint":"unix:///run/b.sock"}]}`,
		"near":   `{"Name":"near","Driver":"docker-container","Nodes":[{"Name":"near0","Endpoint":"unix:///var/run/docker.sock"},{"Name":"near1","Endpoint":"remote"}]}`,
		"pods":   `{"Name":"pods","Driver":"kubernetes","Nodes":[{"Name":"pods0","Endpoint":"kubernetes:///"},{"Name":"pods1","Endpoint":"kubernetes:///"}]}`,
		"secure": `{"Name":"secure","Driver":"remote","Nodes":[{"Name":"s0","Endpoint":"tcp://h:1","DriverOpts":{"cacert":"/nonexistent/ca.pem"}},{"Name":"s1","Endpoint":"tcp://h:2"}]}`,
	} {
		if err := os.WriteFile(filepath.Join(buildx, name), []byte(group), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct{ asked, want string }{ // want: names, or the error
		"two addresses":             {"tcp://h:1 unix:///run/b.sock", "tcp://h:1 unix:///run/b.sock"},
		"the nodes of a builder":    {"far", "far/far0 far/far1"},
		"nodes in containers":       {"near", "near/near0 near/near1"},
		"an address and its nodes":  {"tcp://h:2 far", "tcp://h:2 far/far0 far/far1"},
		"an engine beside another":  {"tcp://h:1 remote", "an engine builds by itself"},
		"one twice":                 {"tcp://h:1 tcp://h:1", "tcp://h:1: it is named twice"},
		"a certificate of one node": {"secure", "secure/s0: stat /nonexistent/ca.pem"},
		"one of two is not there":   {"tcp://h:1 fra", `no such builder: did you mean "far"?`},
	}
	for name, tt := range tests {
		eps, err := builderEndpoints(strings.Fields(tt.asked), "--builder")
		got := strings.Join((&Engine{builders: eps}).Builders(), " ")
		if err != nil {
			got = err.Error()
		}
		if got != tt.want && (err == nil || !strings.Contains(got, tt.want)) {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	if nodes, err := builderNodes("pods", "--builder"); nodes != nil || err != nil {
		t.Errorf("nodes that buildx alone reaches: %+v %v", nodes, err)
	}
	eps, err := builderEndpoints([]string{"tcp://b:1", "tcp://a:1"}, "--builder")
	if id := (&Engine{builders: eps}).builderID(); err != nil || id != "tcp://a:1 and tcp://b:1" {
		t.Errorf("in another order they are others: %s %v", id, err)
	}
}

func TestHint(t *testing.T) {
	tests := []struct {
		ep    endpoint
		cause error
		want  string
	}{
		{endpoint{host: "unix:///x", from: "--host"}, fs.ErrPermission, "usermod"},
		{endpoint{host: "cloud", from: builderVariable, named: true}, errors.New("x"), "docker buildx inspect --bootstrap cloud"},
		{endpoint{host: "ssh://me@h/run/x", from: "DOCKER_HOST"}, errors.New("x"), "ssh me@h docker info"},
		{endpoint{host: "tcp://h:1", from: "context c"}, errors.New("x"), "--context c"},
		{endpoint{host: "tcp://h:1", from: "DOCKER_HOST"}, errors.New("x"), "DOCKER_HOST"},
		{endpoint{host: "tcp://h:1", from: "--builder"}, errors.New("x"), "buildctl"},
		{endpoint{host: "tcp://h:1", from: "--host"}, errors.New("x"), "docker info"},
	}
	for _, tt := range tests {
		if u := tt.ep.unreachable(tt.cause); !strings.Contains(u.Hint, tt.want) || !errors.Is(u, tt.cause) || !strings.Contains(u.Error(), tt.ep.host) {
			t.Errorf("%+v: %+v", tt.ep, u)
		}
	}
}

// TestRefusedByEnvironment names each variable that asks for what no build here does.
func TestRefusedByEnvironment(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{buildKitVariable, "1", ""},
		{buildKitVariable, "", ""},
		{buildKitVariable, "0", "DOCKER_BUILDKIT=0"},
		{buildKitVariable, "maybe", "DOCKER_BUILDKIT=maybe"},
		{policyVariable, "", ""},
		{policyVariable, "policy.json", "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY=policy.json"},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			t.Setenv(c.name, c.value)
			_, err := Connect(t.Context(), Options{Host: "unix:///nowhere.sock"})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
