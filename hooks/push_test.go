package hooks

import (
	"slices"
	"strings"
	"testing"
)

func TestReadPush(t *testing.T) {
	a, b, wide := strings.Repeat("a", 40), strings.Repeat("b", 40), strings.Repeat("c", 64)
	for _, tt := range []struct {
		name, in string
		want     []Update
		bad      bool
	}{
		{name: "up to date"},
		{name: "empty lines", in: "\n\n"},
		{name: "update", in: "refs/heads/main " + a + " refs/heads/main " + b + "\n", want: []Update{{"refs/heads/main", a, "refs/heads/main", b}}},
		{name: "no newline at the end", in: "HEAD " + a + " refs/heads/x " + Zero, want: []Update{{"HEAD", a, "refs/heads/x", Zero}}},
		{name: "delete", in: "(delete) " + Zero + " refs/heads/x " + b + "\n", want: []Update{{"(delete)", Zero, "refs/heads/x", b}}},
		{name: "spaces in what was typed", in: "HEAD@{1 day ago} " + a + " refs/heads/x " + b + "\r\n", want: []Update{{"HEAD@{1 day ago}", a, "refs/heads/x", b}}},
		{name: "sha256", in: "x " + wide + " y " + strings.Repeat("0", 64) + "\n", want: []Update{{"x", wide, "y", strings.Repeat("0", 64)}}},
		{name: "three words", in: "x " + a + " y\n", bad: true},
		{name: "no id", in: "x main y " + a + "\n", bad: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := ReadPush([]string{"origin", "url"}, strings.NewReader(tt.in))
			if (err != nil) != tt.bad {
				t.Fatal(err)
			}
			if !slices.Equal(p.Updates, tt.want) {
				t.Errorf("got %q, want %q", p.Updates, tt.want)
			}
		})
	}
}

func TestUpdateKinds(t *testing.T) {
	a := strings.Repeat("a", 40)
	for _, tt := range []struct {
		u                 Update
		deletes, new, tag bool
	}{
		{Update{"x", a, "refs/heads/x", a}, false, false, false},
		{Update{"x", a, "refs/tags/x", Zero}, false, true, true},
		{Update{"(delete)", Zero, "refs/tags/x", a}, true, false, true},
	} {
		if tt.u.Deletes() != tt.deletes || tt.u.IsNew() != tt.new || tt.u.IsTag() != tt.tag {
			t.Errorf("%v: deletes %v, new %v, tag %v", tt.u, tt.u.Deletes(), tt.u.IsNew(), tt.u.IsTag())
		}
	}
}

func TestFromPreCommit(t *testing.T) {
	env := map[string]string{}
	if _, ok := FromPreCommit(func(k string) string { return env[k] }); ok {
		t.Error("a push without pre-commit's variables")
	}
	a, b := strings.Repeat("a", 40), strings.Repeat("b", 40)
	env["PRE_COMMIT_TO_REF"], env["PRE_COMMIT_FROM_REF"] = a, b
	env["PRE_COMMIT_REMOTE_NAME"], env["PRE_COMMIT_REMOTE_BRANCH"] = "origin", "refs/heads/x"
	p, ok := FromPreCommit(func(k string) string { return env[k] })
	if want := (Update{Local: a, RemoteRef: "refs/heads/x", Remote: b}); !ok || p.Remote != "origin" || !slices.Equal(p.Updates, []Update{want}) {
		t.Errorf("%v %+v", ok, p)
	}
}

func FuzzReadPush(f *testing.F) {
	f.Add("refs/heads/main " + strings.Repeat("a", 40) + " refs/heads/main " + Zero + "\n")
	f.Fuzz(func(t *testing.T, in string) {
		p, err := ReadPush(nil, strings.NewReader(in))
		if err != nil && len(p.Updates) > 0 {
			t.Error("updates beside an error")
		}
	})
}
