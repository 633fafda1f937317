package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/registry"

	"rebuild/docker/registry"
)

// server is a registry that lets in who gives a password, and refuses pushes to "closed/".
func server(t *testing.T) (host string) {
	store := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case user != "user" || password != "secret":
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
		case strings.HasPrefix(r.URL.Path, "/v2/closed/"):
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`)
		default:
			store.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func logIn(t *testing.T, host, credentials string) {
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(dir, "none"))
	if credentials == "" {
		return
	}
	text := fmt.Sprintf(`{"auths":{%q:{"username":"user","password":%q}}}`, host, credentials)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMayPush(t *testing.T) {
	host := server(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	tests := map[string]struct {
		password string
		refs     []string
		want     string // "": nothing is refused
	}{
		"let in":                {"secret", []string{host + "/app:1", host + "/app:2", host + "/other:1"}, ""},
		"without a password":    {"", []string{host + "/app:1"}, host + "/app: 401 Unauthorized: authentication required"},
		"with another":          {"wrong", []string{host + "/app:1"}, host + "/app: 401 Unauthorized"},
		"one of two is refused": {"secret", []string{host + "/app:1", host + "/closed/app:1"}, host + "/closed/app: 403 Forbidden: requested access to the resource is denied"},
		"nobody is there":       {"", []string{gone.Listener.Addr().String() + "/app:1"}, ""},
		"no reference":          {"", []string{"///"}, ""},
		"nothing":               {"", nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			logIn(t, host, tt.password)
			err := registry.MayPush(t.Context(), tt.refs)
			var refused *registry.Refused
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (!errors.As(err, &refused) || refused.Registry != host || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := registry.MayPush(ctx, []string{host + "/app:1"}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
