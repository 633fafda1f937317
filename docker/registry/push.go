// Package registry asks registries, with the credentials that the docker command has for
// them.
package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"
)

// Refused says that a registry does not take a push.
type Refused struct {
	Repository string // "registry.local/team/app"
	Registry   string // as "docker login" takes it
	Cause      error
}

// Error implements error.
func (r *Refused) Error() string {
	return fmt.Sprintf("the registry refuses a push to %s: %v", r.Repository, r.Cause)
}

// Unwrap gives the cause.
func (r *Refused) Unwrap() error { return r.Cause }

const (
	askedAtOnce = 8                // repositories
	answersIn   = 10 * time.Second // a registry that takes longer is left to the push itself
)

// MayPush asks for each repository of the references whether its registry takes a push, by
// beginning one that sends nothing. The error is a *Refused or the context's. What cannot be
// asked, as the registry is reached by the builder alone, may well be pushed.
func MayPush(ctx context.Context, refs []string) error {
	byRepository := map[string]name.Reference{}
	var repositories []string
	for _, ref := range refs {
		parsed, err := name.ParseReference(ref)
		if err != nil {
			continue // the push says what is wrong with it
		}
		repository := parsed.Context().Name()
		if byRepository[repository] == nil {
			repositories = append(repositories, repository)
		}
		byRepository[repository] = parsed
	}
	slices.Sort(repositories)
	asking, end := context.WithTimeout(ctx, answersIn)
	defer end()
	refused := make([]*Refused, len(repositories))
	var group errgroup.Group
	group.SetLimit(askedAtOnce)
	for i, repository := range repositories {
		group.Go(func() error {
			refused[i] = mayPush(asking, byRepository[repository])
			return nil
		})
	}
	_ = group.Wait() // none fails
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, r := range refused {
		if r != nil {
			return r
		}
	}
	return nil
}

func mayPush(ctx context.Context, ref name.Reference) *Refused {
	err := remote.CheckPushPermission(ref, authn.DefaultKeychain, bounded{ctx})
	var answer *transport.Error
	if !errors.As(err, &answer) || answer.StatusCode != http.StatusUnauthorized && answer.StatusCode != http.StatusForbidden {
		return nil
	}
	cause := fmt.Errorf("%d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	for _, d := range answer.Errors {
		if d.Message != "" {
			cause = fmt.Errorf("%w: %s", cause, d.Message)
			break
		}
	}
	return &Refused{Repository: ref.Context().Name(), Registry: ref.Context().RegistryStr(), Cause: cause}
}

// bounded gives requests a context, since CheckPushPermission takes none.
type bounded struct{ ctx context.Context }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	return remote.DefaultTransport.RoundTrip(req.WithContext(b.ctx))
}
