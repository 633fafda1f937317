package docker

import (
	"fmt"
	"os"
	"strconv"

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
