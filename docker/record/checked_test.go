package record

import (
	"fmt"
	"os"
	"testing"

	"rebuild/impact"
)

func TestChecked(t *testing.T) {
	r := Open(t.TempDir(), "engine")
	has := func(d impact.Digest) bool {
		t.Helper()
		set, err := r.Checked()
		if err != nil {
			t.Fatal(err)
		}
		return set[d]
	}
	if has("sha256:a") {
		t.Error("a state that nobody checked")
	}
	if err := r.AddChecked("sha256:a", "sha256:b"); err != nil {
		t.Fatal(err)
	}
	if err := r.AddChecked("sha256:b"); err != nil {
		t.Fatal(err)
	}
	if !has("sha256:a") || !has("sha256:b") {
		t.Error("a checked state is lost")
	}
	if list, _ := r.checkedList(); len(list) != 2 {
		t.Errorf("a state is listed twice: %q", list)
	}
	var many []impact.Digest
	for i := range maxChecked {
		many = append(many, impact.Digest(fmt.Sprint("sha256:", i)))
	}
	if err := r.AddChecked(many...); err != nil {
		t.Fatal(err)
	}
	if has("sha256:a") || !has("sha256:0") {
		t.Error("the oldest states do not go first")
	}
	if err := os.WriteFile(r.checkedFile(), []byte("\x00 damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	if has("sha256:0") {
		t.Error("a state of a damaged list")
	}
}
