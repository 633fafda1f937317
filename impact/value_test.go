package impact

import (
	"fmt"
	"strings"
	"testing"
)

func TestWithheld(t *testing.T) {
	v := NewValues([]Value{
		{Name: "REGISTRY", Text: "ghcr.io/team"}, {Name: "TAG", Text: "prod"}, {Name: "BOTH", Text: "prod/eu"},
		{Name: "N", Text: "1"}, {Name: "DEBUG", Text: "true"}, {Name: "EMPTY"},
		{Name: "QUOTED", Text: `a "b" c`}, {Name: "PEM", Text: "-----BEGIN\nabcdefghij\n-----END\n"},
		{Name: "BASE", Text: "reg.io/team/App:a:b"},
		{Name: "API_TOKEN", Text: "s3cr3t-VALUE"},
	}, false)
	for text, want := range map[string]string{
		"nothing is here": "nothing is here",
		`invalid reference format "ghcr.io/team/A:prod"`: `invalid reference format "$REGISTRY/A:$TAG"`,
		"a product, of product and prod":                 "a product, of product and $TAG",
		"prod/eu is the longer one":                      "$BOTH is the longer one",
		"line 1: true":                                   "line 1: true",
		`it is "a \"b\" c", or a "b" c`:                  `it is "$QUOTED", or $QUOTED`,
		"-----BEGIN abcdefghij -----END; abcdefghij":     "$PEM; $PEM",
		`"reg.io/team/App:a:b": name reg.io/team/App`:    `"$BASE": name $BASE`,
		"xs3cr3t-valuex is spelt small":                  "x$API_TOKENx is spelt small",
	} {
		if got := v.Withheld(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := v.Secret(); len(got) != 1 || got[0].Name != "API_TOKEN" {
		t.Errorf("secrets: %v", got)
	}
	f := v.WithheldFault(&Fault{Path: "prod", Line: 3, Cause: "no prod", Hint: "cd prod"})
	if *f != (Fault{Path: "prod", Line: 3, Cause: "no $TAG", Hint: "cd prod"}) {
		t.Errorf("a fault: %v", f)
	}
}

func TestShownValues(t *testing.T) {
	v := NewValues([]Value{{Name: "TAG", Text: "production"}, {Name: "PASSWORD", Text: "open-sesame"}, {Name: "NPM", Text: "npm-npm", Secret: true}}, true)
	if got, want := v.Withheld("production, open-sesame, npm-npm"), "production, $PASSWORD, $NPM"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !v.Shows("TAG") || v.Shows("PASSWORD") || (Values{}).Shows("TAG") {
		t.Error("what is shown is what was asked for, but for secrets")
	}
}

// Without any value known, a text has no password of a URL.
func TestCredentials(t *testing.T) {
	for text, want := range map[string]string{
		"https://user:p%40ss@host/x.git#main":      "https://xxxxx:xxxxx@host/x.git#main",
		"fetch https://ghp_token@github.com: gone": "fetch https://xxxxx@github.com: gone",
		"http://u:p/w@proxy:3128":                  "http://u:p/w@proxy:3128", // no URL: its user ends at the slash
		"HTTP_PROXY=http://u:p@proxy:3128,x":       "HTTP_PROXY=http://xxxxx:xxxxx@proxy:3128,x",
		"http://u:p@w@proxy":                       "http://xxxxx:xxxxx@proxy",
		"ssh://git@github.com/a/b":                 "ssh://git@github.com/a/b",
		"ssh://git:pass@github.com/a/b":            "ssh://xxxxx:xxxxx@github.com/a/b",
		"docker-image://alpine@sha256:abc":         "docker-image://alpine@sha256:abc",
		"https://host/a@b":                         "https://host/a@b",
		"git@github.com:a/b":                       "git@github.com:a/b",
	} {
		if got := (Values{}).Withheld(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestManyValues: their number makes texts no slower to look through.
func TestManyValues(t *testing.T) {
	var list []Value
	for i := range 20_000 {
		list = append(list, Value{Name: "A", Text: fmt.Sprint("a value ", i)})
	}
	v := NewValues(list, false)
	text := strings.Repeat("some words ", 100_000)
	if got := v.Withheld(text + "a value 17777"); got != text+"$A" {
		t.Errorf("it ends in %q", got[len(got)-20:])
	}
}

func FuzzWithheld(f *testing.F) {
	f.Add("a text with a value in it", "value")
	f.Add("VALUEvalue", "valueVALUE")
	f.Fuzz(func(t *testing.T, text, value string) {
		if strings.Contains(value, "$") || strings.Contains("$SECRET", value) {
			return
		}
		got := NewValues([]Value{{Name: "SECRET", Text: value}}, false).Withheld(text)
		if len(value) > wholeWord && strings.Contains(got, value) {
			t.Errorf("%q still has %q", got, value)
		}
	})
}
