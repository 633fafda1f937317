package recording

import (
	"slices"
	"strings"
	"testing"

	"rebuild/cmd/rebuild/recording/standin"
	"rebuild/impact"
)

// built is an image for a test.
func built(tag, text string, generic bool) *Image {
	im := &Image{text: text, generic: generic, call: &standin.Call{Tags: []string{tag}}}
	im.Tags, im.Context, im.Name = []string{tag}, ".", standin.ImageName(tag)
	im.Refs = canonicalTags(im.Tags)
	return im
}

// TestDerive: what comes of another by words, and what does not.
func TestDerive(t *testing.T) {
	const asr = "FROM t/base-ml:cuda\nRUN pip --index whl/cu121\nCOPY asr.sh /\nCMD [\"asr\"]\n"
	pair := func(from, to string) []impact.Substitution { return []impact.Substitution{{Old: from, New: to}} }
	for _, c := range []struct {
		name, tag, text     string
		replace, substitute []impact.Substitution
		none                bool
	}{
		{name: "base", tag: "t/asr:cpu", text: strings.ReplaceAll(asr, "t/base-ml:cuda", "t/base:cpu"), replace: pair("t/base-ml:cuda", "t/base:cpu")},
		{name: "text", tag: "t/asr:cpu", text: strings.ReplaceAll(asr, "cu121", "cpu"), substitute: pair("whl/cu121", "whl/cpu")},
		{name: "a line less", tag: "t/asr:cpu", text: strings.Replace(asr, "COPY asr.sh /\n", "", 1), none: true},
		{name: "scratch is no image to put in the place", tag: "t/asr:cpu", text: strings.Replace(asr, "t/base-ml:cuda", "scratch", 1), substitute: pair("t/base-ml:cuda", "scratch")},
		{name: "the same", tag: "t/asr:cpu", text: asr, none: true},
		{name: "most differs", tag: "t/asr:cpu", text: "FROM a\nRUN b\nRUN c\nRUN d\n", none: true},
		{name: "another name", tag: "t/other-name:cpu", text: strings.ReplaceAll(asr, "cu121", "cpu"), none: true},
		{name: "a name that says nothing", tag: "t/asr:cuda", text: strings.ReplaceAll(asr, "cu121", "cpu"), none: true},
		{name: "a word that stands elsewhere too", tag: "t/asr:cpu", text: strings.Replace(asr, "asr.sh", "asr.py", 1), substitute: pair("asr.sh", "asr.py")},
	} {
		t.Run(c.name, func(t *testing.T) {
			of, im := built("t/asr:cuda", asr, false), built(c.tag, c.text, true)
			d := derive(im, []*Image{of, im})
			if (d == nil) != c.none {
				t.Fatalf("derivation %+v, want none: %v", d, c.none)
			}
			if d == nil {
				return
			}
			if d.applied(of.text) != im.text || d.name() != im.Name {
				t.Errorf("%+v does not make it", d)
			}
			if !slices.Equal(d.replace, c.replace) || !slices.Equal(d.substitute, c.substitute) {
				t.Errorf("replace %v, substitute %v", d.replace, d.substitute)
			}
		})
	}
	of, im := built("t/asr:cuda", asr, false), built("t/asr:cpu", strings.ReplaceAll(asr, "cu121", "cpu"), true)
	if of.Args = map[string]string{"A": "1"}; derive(im, []*Image{of, im}) != nil {
		t.Error("derived of one with other arguments")
	}
}

// FuzzDerive: whatever is called derived, is made to the byte.
func FuzzDerive(f *testing.F) {
	f.Add("FROM a:cuda\nRUN x y\nRUN z\n", "FROM a:cpu\nRUN x y\nRUN z\n")
	f.Add("FROM a\nCOPY --from=b / /\nFROM b\n", "FROM a\nCOPY --from=c / /\nFROM b\n")
	f.Add("FROM --platform=$X a AS b\nRUN aa a\n", "FROM --platform=$X c AS b\nRUN aa c\n")
	f.Add("ARG A=1\nFROM ${A}\n", "ARG A=2\nFROM ${A}\n")
	f.Fuzz(func(t *testing.T, from, to string) {
		of, im := built("t/x:cuda", from, false), built("t/x:cpu", to, true)
		if d := derive(im, []*Image{of, im}); d != nil && d.applied(from) != to {
			t.Errorf("%+v makes %q of %q, not %q", d, d.applied(from), from, to)
		}
	})
}

// TestSections: how the builds of a script are cut into phases.
func TestSections(t *testing.T) {
	from := func(base, tag string) *Image { return built(tag, "FROM "+base+"\n", false) }
	for _, c := range []struct {
		name   string
		images []*Image
		want   string
	}{
		{"bases, then variants", []*Image{from("scratch", "b:cpu"), from("scratch", "b:cuda"), from("b:cpu", "x:cpu"), from("b:cpu", "y:cpu"), from("b:cuda", "z:cuda")},
			"Base images: b-cpu b-cuda; cpu images: x-cpu y-cpu; cuda images: z-cuda"},
		{"variants in turn are no sections", []*Image{from("scratch", "b"), from("b", "x:cpu"), from("b", "x:cuda"), from("b", "y:cpu"), from("b", "y:cuda")},
			"Base images: b; Images: x-cpu x-cuda y-cpu y-cuda"},
		{"neither are bases in turn", []*Image{from("scratch", "b"), from("b", "x"), from("scratch", "c"), from("c", "y")}, "Images: b x c y"},
		{"versions are no variants", []*Image{from("scratch", "x:1"), from("scratch", "y:2"), from("scratch", "z:v3")}, "Images: x-1 y-2 z-v3"},
		{"none", nil, ""},
	} {
		var got []string
		list := sections(c.images, nil)
		for _, s := range list {
			var names []string
			for _, im := range s.images {
				names = append(names, im.Name)
			}
			got = append(got, s.name+": "+strings.Join(names, " "))
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
		if ok, wrong := ordered(list, c.images); !ok {
			t.Errorf("%s: %s", c.name, wrong)
		}
	}
	late := []*Image{from("b:cpu", "x:cpu"), from("scratch", "b:cpu")}
	if ok, wrong := ordered(sections(late, nil), late); ok && len(sections(late, nil)) > 1 || !ok && wrong == "" {
		t.Errorf("a child before its base: %v %q", ok, wrong)
	}
}

// TestSameInput: which arguments are no difference.
func TestSameInput(t *testing.T) {
	const text = "ARG V=1\nFROM scratch\nARG V\nARG W\n"
	with := func(tag string, args map[string]string) *Image {
		im := built(tag, text, false)
		im.Args = args
		return im
	}
	for _, c := range []struct {
		a, b map[string]string
		same bool
	}{
		{nil, nil, true}, {map[string]string{"V": "1"}, nil, true}, {map[string]string{"UNUSED": "x"}, nil, true},
		{map[string]string{"V": "2"}, nil, false}, {map[string]string{"W": "x"}, map[string]string{"W": "y"}, false},
	} {
		if got := sameInput([]*Image{with("a", c.a), with("b", c.b)}) != ""; got != c.same {
			t.Errorf("%v, %v: same: %v", c.a, c.b, got)
		}
	}
}

// TestOfNow: what of the moment a text holds.
func TestOfNow(t *testing.T) {
	run := &Run{}
	now := run.Began.AddDate(2025, 6, 2) // 3 July 2026
	for text, want := range map[string]string{
		"20260703": "the date", "v1-2026-07-03": "the date", "1.2.3": "", "cuda": "", "4e9f0c1": "the commit", "g4e9f0c1d": "the commit", "deadbee": "", "2026": "",
	} {
		if got := ofNow(text, "4e9f0c1d2b3a4e9f0c1d2b3a4e9f0c1d2b3a4e9f", now); got != want {
			t.Errorf("%s holds %q, want %q", text, got, want)
		}
	}
}
