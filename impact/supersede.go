package impact

import "slices"

// Wasted tells whether what a build of an image is executing at the moment is of no
// use for a build of a newer state of it. running are the steps that are executed, by
// BuildKit's names. A step that the newer state has too is worth its end, since
// BuildKit keeps what it made; a change that reaches each of them, or the time before
// the first and after the last, leaves nothing to wait for. An image that is no
// longer there, or cannot be built now, gives no reason to stop.
func Wasted(old, now *State, running []string) bool {
	if now == nil || now.Err != nil || now.Output == old.Output && now.Config == old.Config {
		return false
	}
	for _, l := range old.Layers {
		kept := func(n StateLayer) bool { return n.Key == l.Key }
		if slices.Contains(running, l.Name) && slices.ContainsFunc(now.Layers, kept) {
			return false
		}
	}
	return true
}
