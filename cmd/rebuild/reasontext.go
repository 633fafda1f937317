package main

import (
	"fmt"

	"rebuild/impact"
)

// detailOf is what a reason says beyond the path, the image or the argument that it is
// about; "" for most.
func detailOf(r impact.Reason) string {
	switch r.Kind {
	case impact.ReasonDockerfile:
		if r.Fault != nil {
			return r.Fault.Cause
		}
	case impact.ReasonArg:
		return argText(r)
	case impact.ReasonConfig:
		return configText(r)
	case impact.ReasonMissing:
		return missingText(r)
	}
	return ""
}

// argText says how a build argument changed. It is the one place that words an argument's
// value, which a reason has only where it may be shown.
func argText(r impact.Reason) string {
	text := map[impact.ChangeKind]string{impact.Added: "is new", impact.Removed: "is gone"}[r.Change]
	if text == "" {
		text = "changed"
	}
	switch {
	case r.Old != nil && r.New != nil:
		text += fmt.Sprintf(": %q -> %q", *r.Old, *r.New)
	case r.New != nil:
		text += fmt.Sprintf(": %q", *r.New)
	case r.Old != nil:
		text += fmt.Sprintf(": it was %q", *r.Old)
	}
	return text
}

func configText(r impact.Reason) string {
	what := string(r.Field)
	if r.Field == impact.FieldDockerfile {
		what = "Dockerfile"
	}
	switch {
	case r.New == nil || r.Field == impact.FieldOther:
		return ""
	case r.Field == impact.FieldTag:
		return "tag " + name(*r.New)
	case r.Old == nil:
		return fmt.Sprintf("%s %q", what, *r.New)
	}
	return fmt.Sprintf("%s %q, was %q", what, *r.New, *r.Old)
}

func missingText(r impact.Reason) string {
	switch r.Missing {
	case impact.TagAbsent:
		return "its tag " + r.Ref + " is not in the engine"
	case impact.ImageGone:
		return "its image is gone from the engine"
	case impact.TagGone:
		return "its tag " + r.Ref + " is gone from the engine"
	case impact.TagMoved:
		return "its tag " + r.Ref + " points to another image"
	case impact.OtherFiles:
		return "it was last built from other files"
	}
	return "it is not in the engine"
}

// detailed is a reason as it is printed in JSON.
type detailed struct {
	impact.Reason
	Detail string `json:"detail,omitempty"` // for people
}

func withDetails(reasons []impact.Reason) []detailed {
	out := make([]detailed, len(reasons))
	for i, r := range reasons {
		out[i] = detailed{r, detailOf(r)}
	}
	return out
}

// planJSON is a plan as "plan --format json" prints it: its own fields, where a reason
// has its detail in words as well.
type planJSON struct {
	*impact.Plan
	Images []imageJSON   `json:"images"`
	Totals impact.Totals `json:"totals"`
}

type imageJSON struct {
	impact.ImagePlan
	Reasons []detailed  `json:"reasons"`
	Layers  []layerJSON `json:"layers"`
}

type layerJSON struct {
	impact.LayerPlan
	Runs bool `json:"runs"` // a build executes it
}

func jsonOf(p *impact.Plan) planJSON {
	out := planJSON{Plan: p, Images: make([]imageJSON, len(p.Images)), Totals: p.Totals()}
	for i, im := range p.Images {
		layers := make([]layerJSON, len(im.Layers))
		for j, l := range im.Layers {
			layers[j] = layerJSON{l, l.Runs()}
		}
		out.Images[i] = imageJSON{im, withDetails(im.Reasons), layers}
	}
	return out
}
