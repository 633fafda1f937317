package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func withoutText(secret string) func(string) string {
	return func(text string) string { return strings.ReplaceAll(text, secret, "$NAME") }
}

// TestPrinterWithholds: nothing that a printer writes has what it is to withhold.
func TestPrinterWithholds(t *testing.T) {
	for name, do := range map[string]func(*Printer){
		"answer":        func(p *Printer) { p.Answer("%s", "a secret") },
		"message":       func(p *Printer) { p.Message("%s", "a secret") },
		"heading":       func(p *Printer) { p.Heading("a secret", " secret") },
		"beside":        func(p *Printer) { p.Beside("secret", "secret") },
		"table":         func(p *Printer) { p.Table("", [][]string{{"secret", "a secret"}}) },
		"columns":       func(p *Printer) { p.Columns([][]string{{"secret", "a secret"}}) },
		"lines":         func(p *Printer) { p.Message("%s", p.TableLines("", [][]string{{"secret"}}, 0)) },
		"error":         func(p *Printer) { p.Fail("secret", "cat secret") },
		"warning":       func(p *Printer) { p.Warn("secret"); p.Asides() },
		"at once":       func(p *Printer) { p.AsidesAtOnce(); p.Note("secret") },
		"json":          func(p *Printer) { _ = p.JSON(map[string]any{"is": []any{"a secret", 1}}) },
		"line":          func(p *Printer) { _ = p.JSONLine(map[string]string{"is": "secret"}) },
		"lines of json": func(p *Printer) { fmt.Fprintln(p.JSONLines(), `{"is": "a secret"}`) },
		"log":           func(p *Printer) { fmt.Fprintln(p.LogLines(), "a secret") },
	} {
		var out bytes.Buffer
		p := New(&out, &out)
		p.Withhold = withoutText("secret")
		do(p)
		if got := out.String(); strings.Contains(got, "secret") || !strings.Contains(got, "$NAME") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Names of fields stay, and a value keeps its escapes.
func TestWithheldJSON(t *testing.T) {
	for in, want := range map[string]string{
		`{"name": "name", "a" : "x\\\"name\u003c", "n": 4, "t": true}`: `{"name": "$NAME", "a" : "x\\\"$NAME<", "n": 4, "t": true}`,
		`["name","nam","\\","name"]`:                                   `["$NAME","nam","\\","$NAME"]`,
		`{"level":"x","message":"a \"name\": b"}` + "\n":               `{"level":"x","message":"a \"$NAME\": b"}` + "\n",
	} {
		got := string(withheldJSON([]byte(in), withoutText("name")))
		if got != want || !json.Valid([]byte(got)) {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func FuzzWithheldJSON(f *testing.F) {
	f.Add("a secret: \"", "secret")
	f.Fuzz(func(t *testing.T, text, secret string) {
		if secret == "" || !utf8.ValidString(secret) {
			return
		}
		in, err := json.Marshal(map[string]any{text: text, "list": []any{text, nil, 1.5, true}})
		if err != nil {
			t.Fatal(err)
		}
		var was, is map[string]any
		if err := json.Unmarshal(in, &was); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(withheldJSON(in, withoutText(secret)), &is); err != nil || len(was) != len(is) {
			t.Fatalf("%v, %v and %v", err, was, is)
		}
		if list := is["list"].([]any); text != "list" && list[0] != withoutText(secret)(was["list"].([]any)[0].(string)) {
			t.Errorf("%q", list[0])
		}
	})
}
