package llb

import (
	"strings"
	"testing"

	"rebuild/impact"
)

// TestSecretName: what BuildKit's linter takes for the name of a secret.
func TestSecretName(t *testing.T) {
	for _, name := range []string{
		"TOKEN", "github_token", "TOKEN_OF", "TOKENS", "API_KEY", "KEYS", "MONKEY", "apiKey", "APIKEY", "AUTH", "AUTHOR", "SSH_AUTH_SOCK",
		"PASSWORD", "DB_PASSWD", "pword", "CREDENTIAL", "AWS_CREDENTIALS", "client_secret", "SECRETS", "secret_MESSAGE",
		"PUBLIC_KEY", "KEY_FILE", "TOKEN_VERSION", "PUBLICKEY_KEY", "VERSION", "REGISTRY", "A", "_KEY_", "KEY2",
	} {
		text := "# check=error=true\nFROM scratch\nARG " + name + "\n"
		g, err := Convert(t.Context(), impact.Image{Name: "a", Inline: text, Context: "."}, files{}.read, nil)
		if err != nil {
			t.Fatal(err)
		}
		warned := g.Fault != nil && strings.Contains(g.Fault.Cause, "SecretsUsedInArgOrEnv")
		if got := impact.SecretName(name); got != warned {
			t.Errorf("%s: %v, BuildKit says %v (%v)", name, got, warned, g.Fault)
		}
	}
}
