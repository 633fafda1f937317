package main

import (
	"fmt"
	"strings"
	"time"

	"rebuild/docker/audit"
)

// missText is a kind of miss in words.
func missText(kind audit.MissKind) string {
	switch kind {
	case audit.Unsound:
		return "unsound, predicted to be cached and ran"
	case audit.Wide:
		return "wide, predicted to run and found in the cache"
	case audit.ForNothing:
		return "rebuilt for nothing"
	}
	return string(kind)
}

// causeText is the likely cause of a miss in words.
func causeText(c audit.Cause) string {
	switch c.Kind {
	case audit.CauseCachePruned:
		if c.Since == nil {
			return "the engine's build cache was pruned"
		}
		return "the engine's build cache was pruned since " + c.Since.Local().Format(time.DateTime)
	case audit.CauseBaseUnseen:
		return fmt.Sprintf("the external base %s is not in the engine's store: it may have moved", c.Base)
	case audit.CauseBaseAsked:
		return fmt.Sprintf("the external base %s was asked for in its registry: it may have moved", c.Base)
	case audit.CauseBaseMoved:
		return fmt.Sprintf("the external base %s moved between the plan and the build", c.Base)
	}
	return "not known: please report it, with rebuild audit --format json"
}

// whyTexts say why something is not comparable, or was not compared.
var whyTexts = map[audit.Why]string{
	audit.InlineDocument:    "inline document, which runs each time",
	audit.TakesNothing:      "made of nothing, so it runs each time",
	audit.LinkCopied:        "--link, which this engine copies",
	audit.WildcardsInLink:   "wildcards behind a link, which old engines take for nothing",
	audit.RunsAlways:        "runs on each build",
	audit.ArgumentsIgnored:  "arguments left out of the comparison",
	audit.NotBuiltHere:      "not built here before",
	audit.ParentChanged:     "parent came out another",
	audit.ParentSame:        "parent came out the same",
	audit.ComparedByContent: "compared by content",
	audit.SeenBefore:        "seen before",
	audit.FilesEdited:       "files edited during the build",
	audit.OtherImageFailed:  "another image failed",
	audit.BuiltWithoutCache: "built without the cache",
	audit.BuiltElsewhere:    "built on another builder than before",
	audit.LayersDiffer:      "its layers are not those of the plan",
}

func whyText(why audit.Why) string {
	if text := whyTexts[why]; text != "" {
		return text
	}
	return string(why) // of a newer version
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
