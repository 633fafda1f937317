package run

import (
	"errors"
	"strings"

	"rebuild/docker"
	"rebuild/impact"
)

// Failure is where and why an image could not be built. Fields of its JSON form may be
// added, never changed.
type Failure struct {
	File    string   `json:"file,omitempty"`
	Line    int      `json:"line,omitempty"`  // 0: of no line
	What    string   `json:"what"`            // the instruction; without one, the cause
	Cause   string   `json:"cause,omitempty"` // of a build
	Log     []string `json:"log,omitempty"`   // its last lines
	LogFile string   `json:"log_file,omitempty"`
}

// Failure says where and why the build of a failed image failed. ip is the image in the
// plan; nil when a definition that is newer than the build has no such image.
func (o Outcome) Failure(ip *impact.ImagePlan) Failure {
	var bf *docker.BuildFailure
	var fault *impact.Fault
	switch {
	case errors.As(o.Err, &bf):
		f := Failure{
			File: bf.Dockerfile, Line: bf.Line, What: withheld(ip, bf.Step), // BuildKit expands arguments in it
			Cause: withheld(ip, oneLine(bf.Cause.Error())), Log: bf.LastLog, LogFile: bf.LogFile,
		}
		if l := ip.LayerNamed(bf.Step); l != nil && l.Instruction != "" {
			f.What = l.Instruction
		}
		return f
	case errors.As(o.Err, &fault):
		f := FaultFailure(fault)
		f.What = withheld(ip, f.What)
		return f
	}
	return Failure{What: withheld(ip, oneLine(o.Err.Error()))}
}

// withheld is a text about an image without what it may not hold.
func withheld(ip *impact.ImagePlan, text string) string {
	if ip == nil {
		return impact.Values{}.Withheld(text)
	}
	return ip.Values.Withheld(text)
}

// FaultFailure is the failure of an image that cannot be built as it is.
func FaultFailure(f *impact.Fault) Failure {
	return Failure{File: f.Path, Line: f.Line, What: f.Cause}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
