package tree

import (
	"bufio"
	"bytes"
	"context"
	"hash/fnv"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"rebuild/impact"
	"rebuild/impact/safefile"
)

// attributes tells where git converts content between its objects and files
// (gitattributes(5)). Most repositories convert nothing, and then no file has to
// be read to know that.
type attributes struct {
	config config
	every  bool   // some source outside of the tree speaks of conversions
	how    string // the configuration that conversions depend on

	// read gives a .gitattributes file of the tree.
	read    func(ctx context.Context, path string) ([]byte, error)
	folders table[string, bool]
}

// converting are the attributes that make git convert.
var converting = []string{"text", "eol", "crlf", "filter", "ident", "working-tree-encoding"}

func newAttributes(r *Repository, read func(context.Context, string) ([]byte, error)) *attributes {
	a := &attributes{config: r.config, read: read}
	for _, file := range r.AttributeFiles() {
		if text, err := safefile.Read(file, safefile.Text); err == nil && mentionsConversion(text) {
			a.every = true
		}
	}
	switch strings.ToLower(r.config.get("core.autocrlf")) {
	case "", "false", "no", "off", "0":
	default:
		a.every = true
	}
	var how []string
	for key, values := range r.config {
		if strings.HasPrefix(key, "filter.") || key == "core.autocrlf" || key == "core.eol" {
			how = append(how, key+"="+values[len(values)-1])
		}
	}
	slices.Sort(how)
	a.how = strings.Join(how, "\n")
	return a
}

// AttributeFiles lists where git looks for attributes outside of a commit
// (gitattributes(5)), whether there is such a file or not.
func (r *Repository) AttributeFiles() []string {
	var files []string
	if file := r.config.get("core.attributesfile"); file != "" {
		files = append(files, expandHome(file))
	} else if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		files = append(files, filepath.Join(dir, "git", "attributes"))
	} else if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".config", "git", "attributes"))
	}
	return append(files, filepath.Join(r.CommonDir, "info", "attributes"),
		"/etc/gitattributes", "/usr/local/etc/gitattributes", "/opt/homebrew/etc/gitattributes")
}

func expandHome(file string) string {
	if rest, ok := strings.CutPrefix(file, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return file
}

// mentionsConversion tells whether some line sets an attribute that converts.
func mentionsConversion(text []byte) bool {
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		for _, f := range fields[1:] {
			name, _, _ := strings.Cut(f, "=")
			if slices.Contains(converting, name) {
				return true
			}
		}
	}
	return false
}

// mayConvert is false only where no conversion can apply. It doesn't look at
// patterns: a folder whose attributes speak of conversions is in doubt as a whole.
func (a *attributes) mayConvert(ctx context.Context, p string) (bool, error) {
	if a.every {
		return true, nil
	}
	return a.folderMayConvert(ctx, path.Dir(p))
}

func (a *attributes) folderMayConvert(ctx context.Context, dir string) (bool, error) {
	return a.folders.get(dir, func() (bool, error) {
		if dir != "." {
			if may, err := a.folderMayConvert(ctx, path.Dir(dir)); may || err != nil {
				return may, err
			}
		}
		text, err := a.read(ctx, child(dir, ".gitattributes"))
		if missing(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		return mentionsConversion(text), nil
	})
}

// values are a path's attributes.
type values map[string]string

// attributesOf asks git check-attr.
func attributesOf(ctx context.Context, check *pipe, p string) (values, error) {
	v := values{}
	err := check.ask(ctx, []byte(p+"\x00"), func(r *bufio.Reader) error {
		for range converting {
			var field [3]string // path, attribute, value
			for i := range field {
				s, err := r.ReadString(0)
				if err != nil {
					return err
				}
				field[i] = s[:len(s)-1]
			}
			v[field[1]] = field[2]
		}
		return nil
	})
	return v, err
}

func (v values) has(name string) bool {
	return v[name] != "unspecified" && v[name] != "unset" && v[name] != ""
}

// onlyLineEnds tells whether nothing but automatic line ends can be converted.
func (v values) onlyLineEnds() bool {
	return !v.has("filter") && !v.has("ident") && !v.has("working-tree-encoding") &&
		!v.has("crlf") && (v["text"] == "auto" || v["text"] == "unspecified")
}

// checkoutConverts tells whether a file of these attributes differs, or may, from its
// blob in a clean checkout.
func (a *attributes) checkoutConverts(v values) bool {
	if v.has("filter") || v.has("ident") || v.has("working-tree-encoding") || v.has("crlf") {
		return true
	}
	crlf := a.config.isTrue("core.autocrlf", false)
	switch {
	case v["text"] == "unset":
		return false
	case v["eol"] == "crlf":
		return true
	case v["eol"] == "lf":
		return false
	case v["text"] == "unspecified":
		return crlf
	case crlf:
		return true
	case strings.EqualFold(a.config.get("core.autocrlf"), "input"):
		return false
	}
	eol := strings.ToLower(a.config.get("core.eol"))
	return eol == "crlf" || eol != "lf" && runtime.GOOS == "windows"
}

// converted is the digest of a file of these attributes, by its blob's. Where a clean
// checkout converts the blob, how it does belongs to the file: under other attributes the
// same blob is another one.
func (a *attributes) converted(blob impact.Digest, v values) impact.Digest {
	if !a.checkoutConverts(v) {
		return blob
	}
	how := []string{string(blob), a.how}
	for _, name := range converting {
		how = append(how, v[name])
	}
	return impact.DigestOf("converted", how...)
}

// fingerprint identifies the conversion that a file of these attributes gets. It
// is never 0, which stands for none.
func (a *attributes) fingerprint(v values) uint32 {
	h := fnv.New32a()
	h.Write([]byte(a.how))
	for _, name := range converting {
		h.Write([]byte("\x00" + v[name]))
	}
	return h.Sum32() | 1
}
