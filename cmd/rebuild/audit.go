package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/docker/audit"
)

func auditCommand(p *terminal.Printer) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "print how often plans were right, and each miss with its cause",
		Long: `Print how often plans were right, and each miss with its likely cause.

Every run compares what was predicted with what BuildKit ran, and keeps the
result for this repository and engine. Unsound: a layer was predicted to be
cached, and ran. Wide: it was predicted to run, and was in the cache. What no
plan can tell is counted as not comparable: an inline document, a COPY --from
that is compared by content, a layer that an older build made, a build without
the cache.

"rebuild --strict" fails on an unsound miss, but not when the likely cause is
that the engine's cache was pruned. The image is built, and has its tags, all
the same.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runAudit(cmd.Context(), p, f) },
	}
	f.where(cmd.Flags())
	cmd.Flags().StringVar(&f.format, "format", "text", "`FORMAT`: text, json")
	return cmd
}

func runAudit(ctx context.Context, p *terminal.Printer, f *flags) error {
	if err := oneOf("format", f.format, "text", "json"); err != nil {
		return err
	}
	s, _, err := f.open(ctx, p, session.Remembered, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	audits, unknown, err := s.Audits(ctx)
	if err != nil {
		return err
	}
	if unknown != nil {
		p.Note("%v; this is of the engine that was used last", unknown)
	}
	sum := audit.SumOf(audits)
	if f.format == "json" {
		return p.JSON(newAuditDocument(sum))
	}
	printAudit(p, sum)
	return nil
}

// auditDocument is all runs that were kept. Its JSON form is stable: fields may be added,
// never changed.
type auditDocument struct {
	Version int `json:"version"`
	audit.Sum
	Misses []missDocument `json:"misses"`
}

// missDocument is a miss whose reasons have their details in words.
type missDocument struct {
	audit.DatedMiss
	Reasons []detailed `json:"reasons,omitempty"`
}

// auditVersion is the form of an auditDocument.
const auditVersion = 2

func newAuditDocument(sum audit.Sum) auditDocument {
	d := auditDocument{Version: auditVersion, Sum: sum, Misses: make([]missDocument, len(sum.Misses))}
	for i, m := range sum.Misses {
		d.Misses[i] = missDocument{m, withDetails(m.Reasons)}
	}
	return d
}

func printAudit(p *terminal.Printer, sum audit.Sum) {
	if sum.Runs == 0 {
		p.Answer("nothing is kept yet: no run of this repository has built anything with this engine")
		p.Hint("rebuild")
		return
	}
	im, l := sum.Images, sum.Layers
	p.Answer("%s with builds since %s", count(sum.Runs, "run", "runs"), sum.Since.Local().Format(time.DateTime))
	p.Answer("")
	p.Answer("images  %d built: %d right, %d rebuilt for nothing%s", im.Built, im.Right, im.ForNothing,
		counted(", %d not comparable", im.NotComparable.Total())+counted(", %d not compared", im.NotCompared.Total()))
	p.Answer("layers  %d predicted to run, %d cached: %d right, %d unsound%s, %d wide%s", l.Invalidated, l.Cached, l.Right, l.Unsound,
		counted(" (%d by a pruned cache)", sum.ByPrunedCache()), l.Wide, counted(", %d not comparable", l.NotComparable.Total()))
	printWhys(p, "images not compared", im.NotCompared)
	printWhys(p, "images not comparable, since no plan can tell", im.NotComparable)
	printWhys(p, "layers not comparable, since no plan can tell", l.NotComparable)
	if len(sum.Misses) == 0 {
		return
	}
	p.Answer("")
	p.Answer("misses:")
	if more := len(sum.Misses) - maxListed; more > 0 {
		p.Answer("  ... %d older ones: rebuild audit --format json", more)
		sum.Misses = sum.Misses[more:]
	}
	for _, miss := range sum.Misses {
		p.Answer("  %s  %s", miss.Date.Local().Format(time.DateTime), missPlace(miss.Miss))
		p.Answer("    %s: %s", missText(miss.Kind), causeText(miss.Cause))
	}
}

func counted(format string, n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(format, n)
}

// printWhys writes the whys, the most frequent first.
func printWhys(p *terminal.Printer, title string, m audit.Counts) {
	if len(m) == 0 {
		return
	}
	whys := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(whys, func(a, b audit.Why) int { return m[b] - m[a] })
	p.Answer("")
	p.Answer("%s:", title)
	for _, why := range whys {
		p.Answer("  %5d  %s", m[why], whyText(why))
	}
}

// missPlace is where a miss was: image, Dockerfile with line, instruction.
func missPlace(m audit.Miss) string {
	parts := []string{name(m.Image)}
	if m.Dockerfile != "" {
		parts = append(parts, placeText(m.Dockerfile, m.Line))
	}
	if what := oneLine(m.Instruction); what != "" {
		parts = append(parts, what)
	}
	return strings.Join(parts, "  ")
}

// printFaults says where a run's plan was unsound by no fault of the cache, and
// tells whether it was.
func printFaults(p *terminal.Printer, a *audit.Audit) bool {
	if a == nil {
		return false
	}
	faults := a.Faults()
	for _, m := range faults {
		p.Fail(fmt.Sprintf("layer %d of image %s, %s: %s was predicted to be cached, and ran: %s", m.Layer, m.Image, placeText(m.Dockerfile, m.Line), oneLine(m.Instruction), causeText(m.Cause)), "")
	}
	if len(faults) > 0 {
		p.Hint("rebuild audit")
	}
	return len(faults) > 0
}
