package session

import (
	"time"

	"rebuild/docker"
	"rebuild/impact"
)

// Place says where a session works, and on which engine. The zero value is the current
// folder, and the engine that the user's docker command talks to.
type Place struct {
	Dir           string   // a folder of the repository
	Host, Context string   // as docker.Options
	Builders      []string // as docker.Options
	Load          docker.Loading
	Timeout       time.Duration
}

// Query says what is asked of a session. It is made once, and nothing changes it.
type Query struct {
	// Which images there are.
	Files     []string          // definitions, from the folder of the session; none: those that are found
	BuildArgs map[string]string // for every image
	Set       []string          // overrides of targets, as in bake
	Vars      map[string]string // variables of a bake file
	Values    bool              // texts for people may hold those of arguments and variables; never secrets
	Catalog   *impact.Catalog   // to use instead of the definitions at the trees; nil: none

	// Which of them are meant.
	Images       []string // names, groups, tags or globs; none: the default group, or all
	Exactly      []string // names; unless empty, these and no others
	All          bool     // all images instead of the default group
	Phases       []string // only images of these; none: of all
	SkipPhases   []string
	SkipOptional bool

	// What is compared.
	Since string // a revision: against its merge base with the target; "": against the records
	Exact bool   // Since is the baseline itself; zeros are none
	At    string // the revision that is the target; "": the working tree

	// How it is built.
	Allow               []string // privileges for every image, as catalog.Privileges words them
	NoCache, Pull, Push bool
	FailFast            bool // the first failure stops the run
	Slots               int  // images that are built at once
}

// againstRecords tells whether the baseline is what the last builds saw.
func (q Query) againstRecords() bool { return q.Since == "" }
