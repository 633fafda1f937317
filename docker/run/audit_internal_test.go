package run

import "testing"

func TestCopiesLink(t *testing.T) {
	for version, want := range map[string]bool{"20.10.24+dfsg1": true, "19.03": true, "23.0.1": false, "28.2.2": false, "": false, "dev": false} {
		if got := copiesLink(version); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}
