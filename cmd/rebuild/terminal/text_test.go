package terminal

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestQuoted(t *testing.T) {
	for name, want := range map[string]string{
		"d/f.txt":              "d/f.txt",
		"with space":           "with space",
		"ünï/日本":               "ünï/日本",
		"caf\xe9.txt":          `"caf\351.txt"`,
		"d/x\n::error::forged": `"d/x\n::error::forged"`,
		"d/\x1b[31mred":        `"d/\033[31mred"`,
		"a\\b":                 `"a\\b"`,
		"a\\\nb\\":             `"a\\\nb\\"`,
		`say "hi"`:             `"say \"hi\""`,
		"a\tb\rc\x7f\x00":      `"a\tb\rc\177\000"`,
		"\xc2\x9b31m":          `"\302\23331m"`,        // CSI in one character
		"a\u202eb":             `"a\342\200\256b"`,     // from here to the left
		"\u2028":               `"\342\200\250"`,       // a line of its own
		"::error::x":           `"::error::x"`,         // not at the start any more
		"##[add-path]x":        `"\043#[add-path]x"`,   // wherever it stands
		"a ##vso[task.x]":      `"a \043#vso[task.x]"`, // likewise
		"##[a]##[b]":           `"\043#[a]\043#[b]"`,
		"## no command":        "## no command",
		"\ufffd":               "\ufffd", // the character itself
	} {
		if got := Quoted(name); got != want {
			t.Errorf("%q: %s, not %s", name, got, want)
		}
	}
}

// TestQuotedAsGit: git is asked.
func TestQuotedAsGit(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) string {
		out, err := exec.Command("git", append([]string{"-C", dir, "-c", "core.quotePath=false"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q")
	for _, name := range []string{"plain", "a\nb", "\x1b[1m", `b\s`, `q"q`, "tab\t", "bell\a\b\v\f\r\x01\x7f", "ü"} {
		id := strings.Repeat("1", 40)
		cmd := exec.Command("git", "-C", dir, "update-index", "-z", "--index-info")
		cmd.Stdin = strings.NewReader("100644 " + id + "\t" + name + "\x00")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", name, err, out)
		}
		if got := git("ls-files"); got != Quoted(name) {
			t.Errorf("%q: git prints %s, we %s", name, got, Quoted(name))
		}
		if err := exec.Command("rm", filepath.Join(dir, ".git", "index")).Run(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOneLine: whatever is printed for people, by whichever way, it is one line.
func TestOneLine(t *testing.T) {
	const evil = "x\n::error::y\r\x1b[2J\xe9\u2028##[add-path]/bin"
	for name, print := range map[string]func(*Printer){
		"answer":  func(p *Printer) { p.Answer("%s", evil) },
		"start":   func(p *Printer) { p.Answer("%s", "  ::error::y") },
		"heading": func(p *Printer) { p.Heading(evil, evil) },
		"message": func(p *Printer) { p.Message("%s %v", evil, errText(evil)) },
		"warning": func(p *Printer) { p.WarnText(evil); p.Asides() },
		"error":   func(p *Printer) { p.Fail(evil, "") },
		"hint":    func(p *Printer) { p.Hint(evil) },
		"table":   func(p *Printer) { p.Table("  ", [][]string{{evil, "b"}}) },
		"last":    func(p *Printer) { p.Table("  ", [][]string{{"::error::y", evil}}) },
		"lines":   func(p *Printer) { p.Message("%s", strings.Join(p.TableLines("", [][]string{{evil}}, 200), "")) },
		"log":     func(p *Printer) { _, _ = p.LogLines().Write([]byte(evil + "\n")) },
	} {
		var out bytes.Buffer
		p := New(&out, &out)
		print(p)
		text, ended := strings.CutSuffix(out.String(), "\n")
		if !ended || strings.ContainsAny(text, "\n\r\x1b") || strings.Contains(text, "\u2028") || strings.Contains(text, "##[") ||
			strings.HasPrefix(strings.TrimSpace(text), "::") || strings.Contains(text, "\xe9") {
			t.Errorf("%s: %q", name, out.String())
		}
	}
	if got := LogLine("\x1b[1;31mred\x1b[0m\tand\x1b[K\r\n"); got != "red\tand\\033[K" {
		t.Errorf("colors of a log: %q", got)
	}
}

type errText string

func (e errText) Error() string { return string(e) }

func TestJSON(t *testing.T) {
	type inner struct {
		Path string            `json:"path"`
		Of   *string           `json:"of,omitempty"`
		Any  any               `json:"any"`
		Map  map[string]string `json:"map"`
		Raw  []byte            `json:"raw"`
	}
	evil := "caf\xe9 ##[add-path]"
	v := []inner{{Path: evil, Of: &evil, Any: []string{evil}, Map: map[string]string{evil: "ü"}, Raw: []byte(evil)}, {Path: "a\nb##[c]\\##"}}
	var out bytes.Buffer
	p := New(&out, &out)
	if err := p.JSONLine(v); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "##[") {
		t.Errorf("a command: %s", out.String())
	}
	var back []inner
	if err := json.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	const want = `"caf\351 \043#[add-path]"`
	if b := back[0]; b.Path != want || *b.Of != want || b.Any.([]any)[0] != want || b.Map[want] != "ü" || string(b.Raw) != evil {
		t.Errorf("%+v", b)
	}
	if back[1].Path != v[1].Path {
		t.Errorf("%q", back[1].Path)
	}
	if v[0].Path != evil || *v[0].Of != evil {
		t.Error("the value itself was changed")
	}
}
