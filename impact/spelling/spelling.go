// Package spelling finds the name that somebody may have meant. It imports none of ours.
package spelling

import (
	"fmt"

	"github.com/agext/levenshtein"
)

// DidYouMean is the known name that is nearest to one, worded for the end of a message; ""
// when none is near.
func DidYouMean(name string, known []string) string {
	best, at := "", max(2, len(name)/3)+1
	for _, k := range known {
		if d := levenshtein.Distance(name, k, nil); d < at {
			best, at = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}
