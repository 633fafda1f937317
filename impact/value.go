package impact

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Value is a text that reaches a definition from outside of the repository: a variable of
// the environment or of an environment file, or what the command line gives it. What stands
// in the repository is no value: who reads a plan can read that.
type Value struct {
	Name   string // of the variable or argument
	Text   string
	Secret bool // whatever its name is
}

// hidden tells whether a value is shown to nobody, whatever is asked for.
func (v Value) hidden() bool { return v.Secret || SecretName(v.Name) }

// SecretName tells whether a variable or an argument of that name is taken for a secret: by
// the rule with which BuildKit's linter warns of secrets in ARG and ENV
// (frontend/dockerfile/dockerfile2llb/validations.go, SecretsUsedInArgOrEnv).
func SecretName(name string) bool {
	return secretWord.MatchString(name) && !openWord.MatchString(name)
}

var (
	secretWord = regexp.MustCompile(`(?i)(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)`)
	openWord   = regexp.MustCompile(`(?i)(?:_|^)(?:public|file|version)(?:_|$)`)
)

// Values are those that a catalog was made of. The zero value knows none.
type Values struct {
	list   []Value // the longest first
	hidden []Value // those of them that are shown to nobody
	shown  bool

	// found is what a text must not hold, by its first leastValue bytes, the longest first:
	// one look at each place of a text suffices, however many values there are.
	found map[string][]wanted
}

// wanted is a value as a text may spell it, in small letters.
type wanted struct{ name, text string }

// NewValues gives values that are shown if that is asked for, but for those that are secret.
func NewValues(list []Value, shown bool) Values {
	v := Values{shown: shown}
	seen := map[Value]bool{}
	for _, val := range list {
		if !seen[val] {
			seen[val] = true
			v.list = append(v.list, val)
		}
	}
	slices.SortStableFunc(v.list, func(a, b Value) int {
		return cmp.Or(cmp.Compare(len(b.Text), len(a.Text)), strings.Compare(a.Name, b.Name))
	})
	var found []wanted
	for _, val := range v.list {
		if val.hidden() {
			v.hidden = append(v.hidden, val)
		}
		if val.hidden() || !shown {
			found = append(found, spellings(val)...)
		}
	}
	slices.SortStableFunc(found, func(a, b wanted) int { return cmp.Compare(len(b.text), len(a.text)) })
	v.found = map[string][]wanted{}
	for _, w := range found {
		v.found[w.text[:leastValue]] = append(v.found[w.text[:leastValue]], w)
	}
	return v
}

// All are the values.
func (v Values) All() []Value { return v.list }

// Secret are those of the values that are shown to nobody.
func (v Values) Secret() []Value { return v.hidden }

// Shows tells whether the value of an argument or a variable may be shown.
func (v Values) Shows(name string) bool { return v.shown && !SecretName(name) }

const (
	// leastValue is how many characters a value has at least that is sought in texts: less
	// tells nothing ("1", "no"), and is in any text.
	leastValue = 4
	// wholeWord is up to how many characters a value counts only where no letter or digit
	// stands beside it: "prod" is no part of "product".
	wholeWord = 7
)

// spellings are the ways in which a text may have a value: as it is, quoted, in one line, or
// a part of it, such as a line, or the name of a reference.
func spellings(v Value) []wanted {
	var out []wanted
	seen := map[string]bool{}
	add := func(text string) {
		low := lower(text)
		if _, err := strconv.ParseBool(text); err != nil && len(text) >= leastValue && !seen[low] {
			seen[low] = true
			out = append(out, wanted{v.Name, low})
		}
	}
	add(v.Text)
	quoted := strconv.Quote(v.Text)
	add(quoted[1 : len(quoted)-1])
	add(strings.Join(strings.Fields(v.Text), " "))
	for _, by := range []string{"\n", "\n\t ,;:@#?&='\""} { // who parses it may complain of a part
		for _, part := range strings.FieldsFunc(v.Text, func(r rune) bool { return strings.ContainsRune(by, r) }) {
			if part = strings.TrimSpace(part); len(part) > wholeWord {
				add(part)
			}
		}
	}
	return out
}

// Withheld is a text without values, each of which is $NAME in it, and without what URLs
// have of users and passwords.
func (v Values) Withheld(text string) string {
	return withoutCredentials(withheld(text, v.found))
}

// WithheldAll is Withheld of several.
func (v Values) WithheldAll(texts []string) []string {
	if len(texts) == 0 {
		return texts
	}
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = v.Withheld(text)
	}
	return out
}

// WithheldFault is a fault whose cause is withheld. Its hint is a command to be copied.
func (v Values) WithheldFault(f *Fault) *Fault {
	if f == nil || v.Withheld(f.Cause) == f.Cause {
		return f
	}
	return &Fault{Path: f.Path, Line: f.Line, Cause: v.Withheld(f.Cause), Hint: f.Hint}
}

func withheld(text string, values map[string][]wanted) string {
	if len(values) == 0 || len(text) < leastValue {
		return text
	}
	low := lower(text) // names of stages and images may be spelt so
	var b strings.Builder
	rest := 0 // from here on nothing is written
	for i := 0; i+leastValue <= len(text); {
		here := values[low[i:i+leastValue]]
		at := slices.IndexFunc(here, func(w wanted) bool { return startsWith(low, i, w.text) })
		if at < 0 {
			i++
			continue
		}
		b.WriteString(text[rest:i] + "$" + here[at].name)
		i += len(here[at].text)
		rest = i
	}
	if rest == 0 {
		return text
	}
	return b.String() + text[rest:]
}

// startsWith tells whether a value stands in a text at a place.
func startsWith(text string, at int, value string) bool {
	if !strings.HasPrefix(text[at:], value) {
		return false
	}
	end := at + len(value)
	return len(value) > wholeWord || (at == 0 || !wordByte(text[at-1])) && (end == len(text) || !wordByte(text[end]))
}

func wordByte(b byte) bool {
	return b == '_' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// lower is a text of the same length with small letters, of ASCII.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// credentials are what stands before the host in the URLs of those schemes that have it.
var credentials = regexp.MustCompile(`(?i)\b((?:git\+|docker\+)?(?:https?|ssh)|git|ftps?|tcp|socks5h?)://([^\s/"'<>` + "`" + `]*)@`)

// withoutCredentials masks the users and passwords of URLs, as BuildKit does
// (util/urlutil.RedactCredentials). The user alone of an ssh URL is no secret: mostly "git".
func withoutCredentials(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	return credentials.ReplaceAllStringFunc(text, func(found string) string {
		m := credentials.FindStringSubmatch(found)
		_, _, password := strings.Cut(m[2], ":")
		switch {
		case password:
			return m[1] + "://xxxxx:xxxxx@"
		case strings.HasSuffix(strings.ToLower(m[1]), "ssh"):
			return found
		}
		return m[1] + "://xxxxx@"
	})
}
