package docker

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/context/store"

	"rebuild/impact"
)

// The variables with which docker and buildx choose what builds, besides those of the
// endpoint.
const (
	builderVariable  = "BUILDX_BUILDER"
	buildKitVariable = "DOCKER_BUILDKIT"
	policyVariable   = "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"
)

// refusedByEnvironment refuses what a variable asks for and no build here would do.
func refusedByEnvironment() error {
	if v := os.Getenv(buildKitVariable); v != "" {
		switch on, err := strconv.ParseBool(v); {
		case err != nil:
			return &impact.Fault{Cause: fmt.Sprintf("%s=%s: neither true nor false", buildKitVariable, v), Hint: "unset " + buildKitVariable}
		case !on:
			return &impact.Fault{Cause: fmt.Sprintf("%s=%s asks for the classic builder, but BuildKit alone is used", buildKitVariable, v), Hint: "unset " + buildKitVariable}
		}
	}
	if v := os.Getenv(policyVariable); v != "" {
		return &impact.Fault{Cause: fmt.Sprintf("%s=%s: a source policy is applied by buildx alone", policyVariable, v), Hint: "unset " + policyVariable}
	}
	return nil
}

// builderContext is the docker context whose engine BUILDX_BUILDER names, "" when it is not
// set. Other builders are not reached by their name.
func builderContext() (string, error) {
	name := os.Getenv(builderVariable)
	if name == "" || name == defaultContext {
		return name, nil
	}
	contexts, err := store.New(config.ContextStoreDir(), contextConfig()).List()
	if err != nil {
		return "", fmt.Errorf("docker contexts: %w", err)
	}
	if !slices.ContainsFunc(contexts, func(m store.Metadata) bool { return m.Name == name }) {
		return "", &impact.Fault{
			Cause: fmt.Sprintf("%s=%s: a builder is not reached by its name, only by its address", builderVariable, name),
			Hint:  "unset " + builderVariable + ", or give its address: rebuild --builder tcp://HOST:PORT",
		}
	}
	return name, nil
}
