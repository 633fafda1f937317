package docker

import (
	"errors"
	"regexp"
	"strings"

	"github.com/moby/buildkit/solver/pb"
)

// pushing begins the name of the step with which the engine sends a reference. It tries
// again by itself what a registry answers with an error (distribution.pushDescriptor).
const pushing = "pushing "

// transients are the faults that a second try cures, and nothing else is: each was seen,
// with the words of engine 20.10, of 28.5 and of buildkitd 0.34.
var transients = []struct {
	words  *regexp.Regexp
	cause  string
	pushed bool // also when the engine has pushed
}{
	// BuildKit before 0.29 on the containerd store: of exports that run at once, one may
	// miss layers that another has unpacked, as nothing holds them meanwhile.
	{words: regexp.MustCompile(`parent snapshot sha256:[0-9a-f]+ does not exist: not found`), cause: "the containerd store lost a layer to another export"},
	{words: regexp.MustCompile(`lease "?[^" ]+"?: not found`), cause: "the engine's hold on its layers ran out"},
	// The first form is that of containerd's resolver, the second that of dockerd's.
	{words: regexp.MustCompile(`(?:unexpected status|failed with status code|unexpected HTTP status).*\b429 Too Many Requests`), cause: "the registry takes no more requests (429)"},
	{words: regexp.MustCompile(`(?:unexpected status|failed with status code|unexpected HTTP status).*\b502 Bad Gateway`), cause: "the registry is not reached by its gateway (502)"},
	{words: regexp.MustCompile(`(?:unexpected status|failed with status code|unexpected HTTP status).*\b503 Service Unavailable`), cause: "the registry is not available (503)"},
	// net/http's error of a request names its method and URL.
	{words: regexp.MustCompile(`(?:Head|Get|Post|Put|Patch) "?https?://[^ ]+: .*(?:connection reset by peer|EOF)`), cause: "the registry closed the connection", pushed: true},
}

// Transient says what went wrong with a build that may well come right when it is tried
// again, "" when that is of no use. What a step of the Dockerfile says is its own affair:
// such a build is never tried again.
func Transient(err error) string {
	var failure *BuildFailure
	if !errors.As(err, &failure) || failure.Executed {
		return ""
	}
	text := failure.Error()
	for _, t := range transients {
		if t.words.MatchString(text) && (t.pushed || !strings.HasPrefix(failure.Step, pushing)) {
			return t.cause
		}
	}
	return ""
}

// executes tells whether an operation is more than the loading of an image: it runs a
// command, changes files, or fetches what an instruction names.
func executes(operation []byte) bool {
	var op pb.Op
	if op.UnmarshalVT(operation) != nil {
		return true
	}
	source := op.GetSource()
	return source == nil || !strings.HasPrefix(source.Identifier, "docker-image://") && !strings.HasPrefix(source.Identifier, "oci-layout://")
}
