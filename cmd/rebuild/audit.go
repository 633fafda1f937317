package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rebuild/docker"
)

func auditCommand(v *voice) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "print how often plans were right, and each miss with its likely cause",
		Long: `Print how often plans were right, and each miss with its likely cause.

Every run compares what was foretold with what BuildKit ran, and keeps the result
for this repository and engine. Unsound: a layer was foretold to be cached, and ran.
Wide: it was foretold to run, and was in the cache. What no plan can tell is counted
apart: an inline document, a COPY --from that is compared by content, a layer that an
older build made, a build without the cache.

"rebuild --strict" fails on an unsound miss, but not when the likely cause is that the
engine's cache was pruned. The image is built, and has its tags, all the same.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runAudit(cmd.Context(), v, f) },
	}
	f.where(cmd.Flags())
	cmd.Flags().StringVar(&f.format, "format", "text", "`FORMAT`: text, json")
	return cmd
}

func runAudit(ctx context.Context, v *voice, f *flags) error {
	if err := oneOf("format", f.format, "text", "json"); err != nil {
		return err
	}
	m, err := connect(ctx, f, false)
	if err != nil {
		return err
	}
	defer m.engine.Close()
	w, err := openWorkspace(ctx, v, f)
	if err != nil {
		return err
	}
	defer w.close()
	m.open(ctx, w)
	if _, err := m.confirm(ctx); ctx.Err() != nil {
		return context.Cause(ctx)
	} else if err != nil {
		v.tell("rebuild: note: %v; this is of the engine that was used last", err)
	}
	audits, warning, err := m.records.AuditLog().Read()
	if err != nil {
		return err
	}
	if warning != "" {
		v.warn("%s", warning)
	}
	sum := sumAudits(audits)
	if f.format == "json" {
		return printAuditJSON(v, sum)
	}
	printAudit(v, sum)
	return nil
}

// auditSum is all runs that were kept. Its JSON form is stable: fields may be added,
// never changed.
type auditSum struct {
	Version int               `json:"version"`
	Runs    int               `json:"runs"`
	Since   *time.Time        `json:"since"` // when the first of them ended; null without any
	Images  docker.ImageTally `json:"images"`
	Layers  docker.LayerTally `json:"layers"`
	Misses  []datedMiss       `json:"misses"` // the oldest first
}

// datedMiss is a miss with the run that had it.
type datedMiss struct {
	Date   time.Time `json:"date"`
	Engine string    `json:"engine"` // its version
	docker.Miss
	Reasons []detailed `json:"reasons,omitempty"`
}

func sumAudits(audits []docker.Audit) auditSum {
	sum := auditSum{Version: 1, Runs: len(audits), Misses: []datedMiss{}}
	whole := &docker.Audit{}
	whole.Add(&docker.Audit{}) // without any run, the maps are empty, not null
	for i, a := range audits {
		if i == 0 {
			sum.Since = &audits[i].Ended
		}
		for _, miss := range a.Misses {
			sum.Misses = append(sum.Misses, datedMiss{Date: a.Ended, Engine: a.Engine, Miss: miss, Reasons: withDetails(miss.Reasons)})
		}
		a.Keys = nil // they are for later audits, and many
		whole.Add(&a)
	}
	sum.Images, sum.Layers = whole.Images, whole.Layers
	return sum
}

func printAuditJSON(v *voice, sum auditSum) error {
	enc := json.NewEncoder(v.out)
	enc.SetIndent("", " ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(sum); err != nil {
		return fmt.Errorf("cannot print the audit: %w", err)
	}
	return nil
}

func printAudit(v *voice, sum auditSum) {
	if sum.Runs == 0 {
		v.say("nothing is kept yet: no run of this repository has built anything with this engine")
		v.hint("rebuild")
		return
	}
	im, l := sum.Images, sum.Layers
	v.say("%s with builds since %s", count(sum.Runs, "run", "runs"), sum.Since.Local().Format(time.DateTime))
	v.say("")
	v.say("images  %d built: %d right, %d rebuilt for nothing%s", im.Built, im.Right, im.ForNothing, counted(", %d apart", total(im.Apart))+counted(", %d not compared", total(im.NotCompared)))
	v.say("layers  %d foretold to run, %d cached: %d right, %d unsound%s, %d wide%s", l.Invalidated, l.Cached, l.Right, l.Unsound, counted(" (%d by a pruned cache)", byCache(sum.Misses)), l.Wide, counted(", %d apart", total(l.Apart)))
	printCounts(v, "images not compared", im.NotCompared)
	printCounts(v, "images apart, since no plan can tell", im.Apart)
	printCounts(v, "layers apart, since no plan can tell", l.Apart)
	if len(sum.Misses) == 0 {
		return
	}
	v.say("")
	v.say("misses:")
	if more := len(sum.Misses) - maxListed; more > 0 {
		v.say("  ... %d older ones: rebuild audit --format json", more)
		sum.Misses = sum.Misses[more:]
	}
	for _, miss := range sum.Misses {
		v.say("  %s  %s", miss.Date.Local().Format(time.DateTime), missPlace(miss.Miss))
		v.say("    %s: %s", missKind(miss.Kind), miss.Cause)
	}
}

// byCache counts the misses that the engine's cache explains.
func byCache(misses []datedMiss) int {
	n := 0
	for _, m := range misses {
		if m.CauseKind == docker.CauseCache {
			n++
		}
	}
	return n
}

func total(m map[string]int) int {
	n := 0
	for _, k := range m {
		n += k
	}
	return n
}

func counted(format string, n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(format, n)
}

// printCounts writes the whys, the most frequent first.
func printCounts(v *voice, title string, m map[string]int) {
	if len(m) == 0 {
		return
	}
	whys := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(whys, func(a, b string) int { return m[b] - m[a] })
	v.say("")
	v.say("%s:", title)
	for _, why := range whys {
		v.say("  %5d  %s", m[why], why)
	}
}

// missPlace is where a miss was: image, Dockerfile with line, instruction.
func missPlace(m docker.Miss) string {
	parts := []string{m.Image}
	if where := m.Dockerfile; where != "" {
		if m.Line > 0 {
			where = fmt.Sprintf("%s:%d", where, m.Line)
		}
		parts = append(parts, where)
	}
	if what := oneLine(m.Instruction); what != "" {
		parts = append(parts, what)
	}
	return strings.Join(parts, "  ")
}

func missKind(kind string) string {
	switch kind {
	case docker.Unsound:
		return "unsound, foretold to be cached and ran"
	case docker.Wide:
		return "wide, foretold to run and found in the cache"
	}
	return kind
}

// printFaults says where a run's plan was unsound by no fault of the cache, and
// tells whether it was.
func printFaults(v *voice, a *docker.Audit) bool {
	if a == nil {
		return false
	}
	faults := a.Faults()
	for _, m := range faults {
		where := m.Dockerfile
		if m.Line > 0 {
			where = fmt.Sprintf("%s:%d", m.Dockerfile, m.Line)
		}
		v.tell("rebuild: error: layer %d of image %s, %s: %s was foretold to be cached, and ran: %s", m.Layer, m.Image, where, oneLine(m.Instruction), m.Cause)
	}
	if len(faults) > 0 {
		v.hint("rebuild audit")
	}
	return len(faults) > 0
}
