package run

import (
	"context"
	"slices"
	"time"

	"rebuild/docker"
)

// retryAfter is how long to wait before a build is tried again that failed for a reason
// which passes (docker.Transient). A registry that turns requests away, and a store that is
// busy, have more time each time; what lasts longer than all of it is no passing fault.
var retryAfter = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}

// buildAgain builds until that succeeds, fails for good, or was tried often enough. retries
// says of each try but the last why it failed.
func (b *imageBuild) buildAgain(ctx context.Context) (res *docker.Result, retries []string, err error) {
	for _, after := range retryAfter {
		res, err = b.build(ctx)
		cause := docker.Transient(err)
		if cause == "" {
			break
		}
		retries = append(retries, cause)
		wait := time.NewTimer(after)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return nil, retries, &docker.Canceled{Image: b.name, Cause: context.Cause(ctx), Ended: true}
		}
	}
	if len(retries) == len(retryAfter) {
		res, err = b.build(ctx)
	}
	if err == nil && len(retries) > 0 {
		res.Steps = b.withEarlier(res.Steps)
	}
	return res, retries, err
}

// withEarlier are the steps of the last try, those executed that an earlier one executed:
// the last found them in the cache. Each try announces its steps anew, before it knows
// which are cached: only its own log tells what it executed.
func (b *imageBuild) withEarlier(last []docker.Step) []docker.Step {
	ran := map[string]docker.Step{}
	for _, try := range b.tries[:len(b.tries)-1] {
		for _, s := range try.Steps() {
			if s.Ran() {
				ran[s.Name] = s
			}
		}
	}
	steps := slices.Clone(last)
	for i, s := range steps {
		if earlier, ok := ran[s.Name]; ok && s.Cached {
			steps[i].Cached, steps[i].Started, steps[i].Completed = false, earlier.Started, earlier.Completed
		}
	}
	return steps
}
