package audit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rebuild/impact"
)

func openLog(t testing.TB) *Log {
	return OpenLog(filepath.Join(t.TempDir(), "engine", "audit.jsonl"))
}

func someAudit(n int) *Audit {
	return &Audit{Version: version, Ended: auditDay, Engine: fmt.Sprint(n), Images: ImageTally{Built: n}}
}

// What a killed run left half written goes with the next run, without a word; what
// was damaged otherwise is reported.
func TestAuditLogDamage(t *testing.T) {
	log := openLog(t)
	add := func(n int) {
		t.Helper()
		if err := log.Append(someAudit(n)); err != nil {
			t.Fatal(err)
		}
	}
	read := func(warned string, want ...int) {
		t.Helper()
		audits, warning, err := log.Read()
		if err != nil || warning != "" && warned == "" || !strings.Contains(warning, warned) {
			t.Errorf("warning %q, error %v", warning, err)
		}
		var got []int
		for _, a := range audits {
			got = append(got, a.Images.Built)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("audits %v, want %v", got, want)
		}
	}
	add(1)
	add(2)
	data, err := os.ReadFile(log.path)
	if err != nil {
		t.Fatal(err)
	}
	torn := data[:len(data)-5]
	if err := os.WriteFile(log.path, torn, 0o644); err != nil {
		t.Fatal(err)
	}
	read("", 1)
	add(3)
	read("", 1, 3)
	data, err = os.ReadFile(log.path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	damaged := bytes.Join([][]byte{lines[0], []byte("{\"version\":99}\n\x00\n"), lines[1]}, nil)
	if err := os.WriteFile(log.path, damaged, 0o644); err != nil {
		t.Fatal(err)
	}
	read("2 of the audits that were kept cannot be read, first "+log.path+":3: damaged: ", 1, 3)
	add(4)
	read("cannot be read", 1, 3, 4)
}

// The log is bounded: the newest lines stay, whole ones.
func TestAuditLogBound(t *testing.T) {
	log := openLog(t)
	a := someAudit(0)
	for i := range 500 {
		a.Keys = append(a.Keys, fmt.Sprintf("%016x", i))
	}
	cuts, before := 0, int64(0)
	for n := 1; n <= 200; n++ {
		a.Images.Built = n
		if err := log.Append(a); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(log.path)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Size() > logLimit {
			t.Fatalf("%d bytes", fi.Size())
		}
		if fi.Size() < before {
			cuts++
		}
		before = fi.Size()
	}
	audits, warning, err := log.Read()
	if err != nil || warning != "" || len(audits) < 40 || audits[len(audits)-1].Images.Built != 200 {
		t.Fatalf("%d audits, %q %v", len(audits), warning, err)
	}
	for i, a := range audits {
		if want := 200 - len(audits) + 1 + i; a.Images.Built != want {
			t.Fatalf("audit %d is of run %d, not %d", i, a.Images.Built, want)
		}
	}
	if cuts < 1 || cuts > 5 {
		t.Errorf("written anew %d times", cuts)
	}
	// One that alone is too long is kept alone.
	for i := range 70_000 {
		a.Keys = append(a.Keys, fmt.Sprintf("%016x", i))
	}
	if err := log.Append(a); err != nil {
		t.Fatal(err)
	}
	if audits, _, err := log.Read(); len(audits) != 1 || err != nil {
		t.Errorf("%d audits, %v", len(audits), err)
	}
}

// Audits of another version are left out with one line, however many there are; the log
// goes on.
func TestAuditLogOfAnotherVersion(t *testing.T) {
	log := openLog(t)
	one := `{"version":1,"ended":"2026-01-02T03:04:05Z","images":{"built":2,"apart":{"built before":1}},"layers":{"predicted_cached":3,"right":3},"keys":["0123456789abcdef"]}` + "\n"
	if err := os.MkdirAll(filepath.Dir(log.path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(log.path, []byte(strings.Repeat(one, 7)), 0o644); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		audits, warning, err := log.Read()
		if want := "audits of another version of rebuild are left out, 7: " + log.path; len(audits) != n || warning != want || err != nil {
			t.Errorf("%d audits, warning %q, error %v", len(audits), warning, err)
		}
		if err := log.Append(someAudit(n)); err != nil {
			t.Fatal(err)
		}
	}
	// What they say of layers that the engine has counts all the same.
	if key := "0123456789abcdef"; !log.known(map[string]bool{key: true})[key] {
		t.Error("a key that was kept is not known")
	}
}

// A log that cannot be read or written is an error that names it; it knows nothing.
func TestAuditLogUnreadable(t *testing.T) {
	dir := t.TempDir()
	folder := OpenLog(dir)
	if _, _, err := folder.Read(); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v", err)
	}
	if len(folder.known(map[string]bool{"x": true})) > 0 {
		t.Error("a folder knows a key")
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(file, "audit.jsonl")} {
		if err := OpenLog(path).Append(someAudit(1)); err == nil || !strings.Contains(err.Error(), path) && !strings.Contains(err.Error(), file) {
			t.Errorf("error %v", err)
		}
	}
}

// FuzzParseAudits: whatever stands in the file, reading ends, counts lines, and takes
// back what it gave.
func FuzzParseAudits(f *testing.F) {
	f.Add([]byte("{\"version\":2,\"images\":{\"built\":2,\"not_comparable\":{\"x\":1}},\"layers\":{},\"misses\":[{\"kind\":\"unsound\"}]}\n"))
	f.Add([]byte("{\"version\":2}\nnot json\n{\"version\":1}\n{\"version\":2"))
	f.Add([]byte("{\"version\":2,\"layers\":{\"right\":-1}}\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := parseAudits(data)
		if got, want := len(p.audits)+p.others+p.damaged, bytes.Count(data, []byte("\n")); got != want {
			t.Errorf("%d lines of %d", got, want)
		}
		if (p.damaged > 0) != (p.first != nil) {
			t.Errorf("%d damaged, %v", p.damaged, p.first)
		}
		cut := newest(data, 10)
		if !bytes.HasSuffix(data[:bytes.LastIndexByte(data, '\n')+1], cut) {
			t.Error("what is kept is not the end")
		}
		for i := range p.audits {
			log := openLog(t)
			if err := log.Append(&p.audits[i]); err != nil {
				continue // a time that JSON does not hold
			}
			again, warning, err := log.Read()
			if len(again) != 1 || warning != "" || err != nil {
				t.Errorf("%d, %q, %v", len(again), warning, err)
			}
		}
	})
}

// BenchmarkAuditHistory looks through the longest log.
func BenchmarkAuditHistory(b *testing.B) {
	log := openLog(b)
	a := someAudit(1)
	for i := range 50_000 {
		a.Keys = append(a.Keys, fmt.Sprintf("%016x", i*7919))
	}
	if err := log.Append(a); err != nil {
		b.Fatal(err)
	}
	keys := map[string]bool{}
	for i := range 40 {
		keys[fmt.Sprintf("ffff%012x", i)] = true
	}
	for b.Loop() {
		if len(log.known(keys)) > 0 {
			b.Fatal("never kept")
		}
	}
}

// BenchmarkAudit is a run of 21 images of ten layers, without a miss.
func BenchmarkAudit(b *testing.B) {
	var outcomes []Outcome
	for i := range 21 {
		im := sample{name: fmt.Sprint(i)}
		for j := range 10 {
			im.keys, im.states = append(im.keys, impact.DigestOf("key", fmt.Sprint(i, j))), append(im.states, inv)
			im.ran = append(im.ran, j)
		}
		outcomes = append(outcomes, im.outcome())
	}
	log := openLog(b)
	for b.Loop() {
		c := &comparison{outcomes: outcomes, before: has("a"), earlier: log.known}
		a := c.audit()
		if a.Layers.Right != 210 {
			b.Fatalf("%+v", a.Layers)
		}
		a.Keys = a.Keys[:10] // most runs bring few
		if err := log.Append(a); err != nil {
			b.Fatal(err)
		}
	}
}
