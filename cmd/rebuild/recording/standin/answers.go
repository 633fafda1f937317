package standin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"text/template"
	"time"

	"rebuild/impact/catalog/commandline"
)

// row is one line of docker images, under the names that its templates use.
type row struct {
	Repository, Tag, ID, Digest, CreatedAt, CreatedSince, Size, VirtualSize, SharedSize, UniqueSize, Containers string
}

const wholeTable = "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"

// images prints what was built, and then what the real program knows besides.
func (s *standIn) images(c command) (int, error) {
	if s.settings.Through {
		return s.real()
	}
	flags, rest, err := commandline.ImagesFlags.Parse(c.args, false)
	if err != nil || len(rest) > 1 {
		return s.real()
	}
	built, err := s.built()
	if err != nil {
		return failed, err
	}
	rows := s.rows(built, flags, rest)
	format := commandline.Last(flags, "format")
	switch {
	case commandline.On(flags, "quiet"):
		format = "{{.ID}}"
	case format == "" || format == "table":
		format = wholeTable
	}
	if len(rows) == 0 && len(built) > 0 && len(rest) == 0 {
		return s.real()
	}
	if len(rows) == 0 {
		return s.orNothing(format)
	}
	if err := printRows(s.stdout, format, rows); err != nil {
		fmt.Fprintln(s.stderr, err)
		return 64, nil // as docker for a template that does not parse
	}
	var others bytes.Buffer
	if code, err := s.runReal(s.args, nil, &others, io.Discard); err == nil && code == 0 {
		_, text, headed := strings.Cut(others.String(), "\n")
		if !strings.HasPrefix(format, "table") || !headed {
			text = others.String()
		}
		_, _ = io.WriteString(s.stdout, text)
	}
	return 0, nil
}

// orNothing is for a question about images that were not built: the real program may have
// them; without one there are none.
func (s *standIn) orNothing(format string) (int, error) {
	if Has(s.program, s.settings.Path) {
		return s.real()
	}
	return 0, printRows(s.stdout, format, nil)
}

func (s *standIn) rows(built builtImages, flags []commandline.Flag, rest []string) []row {
	var rows []row
	now := time.Now()
	for i := len(built) - 1; i >= 0; i-- { // newest first
		for _, tag := range built[i].tags {
			repository, version := split(tag)
			if len(rest) == 1 && rest[0] != repository && canonical(rest[0]) != tag || !filtered(commandline.All(flags, "filter"), repository, version) {
				continue
			}
			id := short(built[i].id)
			if commandline.On(flags, "no-trunc") {
				id = built[i].id
			}
			rows = append(rows, row{
				Repository: repository, Tag: version, ID: id, Digest: "<none>", CreatedAt: now.Format("2006-01-02 15:04:05 -0700 MST"),
				CreatedSince: "Less than a second ago", Size: "0B", VirtualSize: "0B", SharedSize: "N/A", UniqueSize: "N/A", Containers: "N/A",
			})
		}
	}
	return rows
}

// filtered tells whether an image passes the filters. Of others than by reference nothing
// is known of it, and it does not.
func filtered(filters []string, repository, version string) bool {
	for _, f := range filters {
		kind, pattern, _ := strings.Cut(f, "=")
		if kind == "dangling" && pattern == "false" {
			continue
		}
		if kind != "reference" {
			return false
		}
		whole, err := path.Match(pattern, repository+":"+version)
		name, _ := path.Match(pattern, repository)
		if err != nil || !whole && !name {
			return false
		}
	}
	return true
}

// functions are those of docker's templates (docker/cli templates/templates.go).
var functions = template.FuncMap{
	"json": func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			return err.Error()
		}
		return string(data)
	},
	"split": strings.Split, "join": strings.Join, "upper": strings.ToUpper, "lower": strings.ToLower,
	"title": func(s string) string { return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] },
	"pad": func(s string, before, after int) string {
		return strings.Repeat(" ", before) + s + strings.Repeat(" ", after)
	},
	"truncate": func(s string, n int) string {
		return s[:min(max(n, 0), len(s))]
	},
}

// headings of the columns of a table.
var headings = row{
	Repository: "REPOSITORY", Tag: "TAG", ID: "IMAGE ID", Digest: "DIGEST", CreatedAt: "CREATED AT", CreatedSince: "CREATED", Size: "SIZE",
	VirtualSize: "SIZE", SharedSize: "SHARED SIZE", UniqueSize: "UNIQUE SIZE", Containers: "CONTAINERS",
}

func printRows(out io.Writer, format string, rows []row) error {
	if format == "json" {
		format = "{{json .}}"
	}
	columns, isTable := strings.CutPrefix(format, "table ")
	columns = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(columns)
	t, err := template.New("").Funcs(functions).Parse(columns + "\n")
	if err != nil {
		return fmt.Errorf("template parsing error: %w", err)
	}
	if isTable {
		w := tabwriter.NewWriter(out, 10, 1, 3, ' ', 0)
		defer w.Flush() // what was printed stands, whatever comes
		out = w
		if err := t.Execute(out, headings); err != nil {
			return err
		}
	}
	for _, r := range rows {
		if err := t.Execute(out, r); err != nil {
			return err
		}
	}
	return nil
}

// inspect answers for images that were built; the others are the real program's.
func (s *standIn) inspect(c command) (int, error) {
	if s.settings.Through && c.verb != "manifest inspect" {
		return s.real()
	}
	flags, rest, err := commandline.InspectFlags.Parse(c.args, false)
	if err != nil {
		return s.real()
	}
	built, err := s.built()
	if err != nil {
		return failed, err
	}
	known := slices.ContainsFunc(rest, func(ref string) bool {
		_, ok := built.find(ref)
		return ok
	})
	if commandline.Last(flags, "type") != "" && commandline.Last(flags, "type") != "image" {
		return s.real()
	}
	if !known {
		return s.found(rest)
	}
	found, code := []any{}, 0
	for _, ref := range rest {
		if im, ok := built.find(ref); ok {
			found = append(found, inspected(im, c.verb))
			continue
		}
		more, failed, err := s.inspectReal(c.verb, ref)
		if err != nil {
			return failed, err
		}
		found, code = append(found, more...), max(code, failed)
	}
	format := commandline.Last(flags, "format")
	switch {
	case c.verb == "image exists":
		return 0, nil
	case format != "" && format != "json":
		t, err := template.New("").Funcs(functions).Parse(format + "\n")
		if err != nil {
			return s.refuse("template parsing error: %v", err)
		}
		for _, v := range found {
			if err := t.Execute(s.stdout, v); err != nil {
				return s.refuse("%v", err)
			}
		}
		return code, nil
	}
	enc := json.NewEncoder(s.stdout)
	enc.SetIndent("", "    ")
	if c.verb == "manifest inspect" {
		return code, enc.Encode(found[0])
	}
	return code, enc.Encode(found)
}

// found has the real program tell of images that the script did not build, and takes down
// that they are there: a script may build only what is not.
func (s *standIn) found(refs []string) (int, error) {
	code, err := s.runReal(s.args, s.stdin, s.stdout, s.stderr)
	if err != nil || code != 0 || len(refs) == 0 {
		return code, err
	}
	call, err := s.begin()
	if err != nil {
		return failed, err
	}
	call.Found = refs
	return 0, call.write(s.folder)
}

// inspectReal asks the real program of an image that the script did not build, beside those
// that it did. It gives the status, too.
func (s *standIn) inspectReal(verb, ref string) (found []any, code int, err error) {
	var out bytes.Buffer
	code, err = s.runReal(append(strings.Fields(verb), ref), nil, &out, s.stderr)
	if err != nil || code != 0 {
		return nil, code, err
	}
	return found, 0, json.Unmarshal(out.Bytes(), &found)
}

func inspected(im *image, verb string) any {
	if verb == "manifest inspect" {
		return map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": im.id}
	}
	tags, digests := []string{}, []string{}
	for _, t := range im.tags {
		tags = append(tags, familiar(t))
		repository, _ := split(t)
		digests = append(digests, repository+"@"+im.id)
	}
	return map[string]any{
		"Id": im.id, "RepoTags": tags, "RepoDigests": digests, "Created": time.Now().UTC().Format(time.RFC3339Nano), "Parent": "", "Comment": "",
		"Architecture": "amd64", "Os": "linux", "Size": 0, "VirtualSize": 0, "Config": map[string]any{"Labels": map[string]any{}, "Env": []string{}},
		"RootFS": map[string]any{"Type": "layers", "Layers": []string{}},
	}
}
