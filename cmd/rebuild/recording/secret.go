package recording

import (
	"maps"
	"os"
	"slices"
	"strings"

	"rebuild/cmd/rebuild/recording/standin"
	"rebuild/impact"
)

// A rebuild.yaml is committed, so values of arguments that look like secrets are left out of
// it: the file takes them from the environment, and what is compared with it is not told.

// leftToEnvironment is what a file's variables that look like secrets have while it is held
// against a script.
const leftToEnvironment = "left to the environment"

// withoutSecrets looks up a variable.
func withoutSecrets(name string) (string, bool) {
	if impact.SecretName(name) {
		return leftToEnvironment, true
	}
	return os.LookupEnv(name)
}

// secretArgs are the arguments of an image whose values are left out, sorted.
func secretArgs(im *Image) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(im.Args)), func(name string) bool { return !impact.SecretName(name) })
}

// warnOfSecrets says what is left out, and what is not.
func (r *replay) warnOfSecrets() {
	for _, im := range r.images {
		for _, name := range secretArgs(im) {
			if !slices.Contains(im.fromEnv, name) {
				r.warnings.add("the value of the argument "+name+" is left out, as its name is that of a secret; it is taken from the environment: %s", im.label())
			}
		}
		for _, url := range append([]string{im.RemoteContext}, urlsOf(im)...) {
			if (impact.Values{}).Withheld(url) != url {
				r.warnings.add("a URL with a user or a password is a context, and the file keeps it as it is: %s", im.label())
			}
		}
	}
}

func urlsOf(im *Image) []string {
	var urls []string
	for _, c := range im.Contexts {
		urls = append(urls, c.URL)
	}
	return urls
}

// Shown is a command for people, without the values of arguments and of what looks like a
// secret: of NAME=VALUE and --name=VALUE the name is left.
func Shown(command []string) []string {
	out := make([]string, len(command))
	for i, word := range command {
		out[i] = word
		name, _, given := strings.Cut(word, "=")
		flag, argument, isArgument := strings.Cut(word, "=")
		switch {
		case given && (i > 0 && command[i-1] == "--build-arg" || secretWord(name)):
			out[i] = name + "=…"
		case isArgument && flag == "--build-arg":
			if name, _, given := strings.Cut(argument, "="); given {
				out[i] = flag + "=" + name + "=…"
			}
		}
	}
	return out
}

// secretWord tells whether a variable or an option has the name of a secret.
func secretWord(name string) bool {
	return impact.SecretName(strings.ReplaceAll(strings.TrimLeft(name, "-"), "-", "_"))
}

// holdsSecret tells whether a command has something that looks like a secret.
func holdsSecret(command []string) bool {
	for _, word := range command {
		if name, _, given := strings.Cut(word, "="); given && secretWord(name) {
			return true
		}
	}
	return false
}

// called is a call for people.
func called(c *standin.Call) string {
	return strings.Join(append([]string{c.Program}, Shown(c.Args)...), " ")
}
