package spelling

import "testing"

func TestDidYouMean(t *testing.T) {
	for name, want := range map[string]string{
		"cluod":  `: did you mean "cloud"?`,
		"cloud":  `: did you mean "cloud"?`,
		"remote": "",
		"":       "",
	} {
		if got := DidYouMean(name, []string{"cloud", "base-image"}); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
