package terminal

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestJSONSpeaksToNobody: neither a CI system nor a terminal takes a part of it for a
// command, and it says the same.
func TestJSONSpeaksToNobody(t *testing.T) {
	const evil = "##[add-path]/bin\x7f\u009b2J\x1b[2Jä\u2028"
	for _, value := range []string{evil, "##vso", "ä", ""} {
		var out bytes.Buffer
		if err := New(&out, nil).JSON(map[string]string{value: value}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "##") || strings.ContainsAny(out.String(), "\x7f\u009b\x1b") {
			t.Errorf("%q", out.String())
		}
		var back map[string]string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || back[value] != value {
			t.Errorf("%q came back as %q: %v", value, back, err)
		}
	}
}
