package docker

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/docker/cli/cli/config/configfile"

	"rebuild/impact"
)

// Loading says whether what a builder makes is brought into the engine beside it, which
// then keeps the images as if it had built them.
type Loading int

// LoadIfThere loads where an engine answers, as buildx does, unless BUILDX_NO_DEFAULT_LOAD
// is set. Where Load is asked for, the engine must be there.
const (
	LoadIfThere Loading = iota
	Load
	NoLoad
)

const noLoadVariable = "BUILDX_NO_DEFAULT_LOAD"

// loadsWithin is how long an engine that need not be there has to answer.
const loadsWithin = 2 * time.Second

// beside is the engine that what a builder makes is loaded into; nil when there is none.
func beside(ctx context.Context, o Options, cfg *configfile.ConfigFile) (*Engine, error) {
	if o.Load == LoadIfThere {
		if v := os.Getenv(noLoadVariable); v != "" {
			switch off, err := strconv.ParseBool(v); {
			case err != nil:
				return nil, &impact.Fault{Cause: fmt.Sprintf("%s=%s: neither true nor false", noLoadVariable, v), Hint: "unset " + noLoadVariable}
			case off:
				o.Load = NoLoad
			}
		}
	}
	if o.Load == NoLoad {
		return nil, nil
	}
	ep, err := resolveEndpoint(o, cfg)
	var e *Engine
	if err == nil {
		e, err = connect(ep, o, cfg)
	}
	if o.Load == Load {
		return e, err
	}
	if err != nil { // of an engine that nobody asked for
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, loadsWithin)
	defer cancel()
	if e.ping(ctx) != nil {
		_ = e.Close()
		return nil, nil
	}
	return e, nil
}
