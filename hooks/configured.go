package hooks

import (
	"context"
	"fmt"
)

// Git from 2.54 on takes hooks from its configuration (git-hook(1)): hook.NAME.event
// says when, hook.NAME.command what. They run before the hook file, and an older git
// ignores them.
const (
	configuredMajor, configuredMinor = 2, 54

	section    = "hook.rebuild"
	eventKey   = section + ".event"
	commandKey = section + ".command"
)

// takesConfigured tells whether the git program takes hooks from its configuration.
func (p *Place) takesConfigured(ctx context.Context) (bool, error) {
	version, err := runGit(ctx, p.repo, "version")
	if err != nil {
		return false, err
	}
	var major, minor int
	if _, err := fmt.Sscanf(version, "git version %d.%d", &major, &minor); err != nil {
		return false, nil // one that does not say so is none of the new ones
	}
	return major > configuredMajor || major == configuredMajor && minor >= configuredMinor, nil
}

// configured is the command of our configured hook, "" when there is none.
func (p *Place) configured(ctx context.Context) (string, error) {
	command, err := runGit(ctx, p.repo, "config", "--local", "--get", commandKey)
	if exited(err, 1) {
		return "", nil
	}
	return command, err
}

// configure puts the hook into the repository's configuration.
func (p *Place) configure(ctx context.Context, c Command) (changed bool, err error) {
	old, err := p.configured(ctx)
	if err != nil || old == c.oneLine() {
		return false, err
	}
	if _, err := runGit(ctx, p.repo, "config", "--local", eventKey, "pre-push"); err != nil {
		return false, err
	}
	_, err = runGit(ctx, p.repo, "config", "--local", commandKey, c.oneLine())
	return err == nil, err
}

// unconfigure takes the hook out of the repository's configuration.
func (p *Place) unconfigure(ctx context.Context) (changed bool, err error) {
	old, err := p.configured(ctx)
	if err != nil || old == "" {
		return false, err
	}
	_, err = runGit(ctx, p.repo, "config", "--local", "--remove-section", section)
	return err == nil, err
}
