// Package commandline reads the arguments of docker and of the programs that build in its
// place, as they do: which flags there are, and which of them take a value. It imports the
// standard library only.
package commandline

import (
	"fmt"
	"strconv"
	"strings"
)

// Flag is one flag of a call, by its long name; one without a value says "true".
type Flag struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Set is what a command knows of flags: whether each takes a value, and which letters
// stand for which.
type Set struct {
	values  map[string]bool
	letters map[byte]string
	lenient bool // a flag that is not known is taken for one without a value
}

// New makes one of two lists of words, "name" or "n,name".
func New(switches, values string) *Set {
	f := &Set{values: map[string]bool{}, letters: map[byte]string{}}
	f.add(switches, false)
	f.add(values, true)
	return f
}

func (f *Set) add(words string, value bool) {
	for _, w := range strings.Fields(words) {
		letter, name, both := strings.Cut(w, ",")
		if !both {
			name = letter
		} else {
			f.letters[letter[0]] = name
		}
		f.values[name] = value
	}
}

// With gives a set that knows the flags of another, too.
func (f *Set) With(other *Set) *Set {
	sum := &Set{values: map[string]bool{}, letters: map[byte]string{}, lenient: f.lenient || other.lenient}
	for _, set := range []*Set{other, f} {
		for name, value := range set.values {
			sum.values[name] = value
		}
		for letter, name := range set.letters {
			sum.letters[letter] = name
		}
	}
	return sum
}

// Knows tells whether the command has a flag of that long name.
func (f *Set) Knows(name string) bool {
	_, ok := f.values[name]
	return ok
}

// unknownFlag is the error of a flag that the command does not have.
type unknownFlag string

func (u unknownFlag) Error() string { return "unknown flag: " + string(u) }

// Parse reads arguments as docker does, whose commands are cobra's (pflag FlagSet.Parse,
// which a test holds this against). Flags and others may be mixed, unless first is set:
// then the first that is no flag ends it, as before the verb of docker itself.
func (f *Set) Parse(args []string, first bool) (flags []Flag, rest []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		switch {
		case arg == "--":
			return flags, append(rest, args[1:]...), nil
		case len(arg) < 2 || arg[0] != '-':
			if first {
				return flags, args, nil
			}
			rest = append(rest, arg)
			args = args[1:]
			continue
		case arg[1] == '-':
			flags, args, err = f.long(flags, args)
		default:
			flags, args, err = f.short(flags, args)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return flags, rest, nil
}

func (f *Set) long(flags []Flag, args []string) ([]Flag, []string, error) {
	name, value, given := strings.Cut(args[0][2:], "=")
	args = args[1:]
	if name == "" || name[0] == '-' {
		return nil, nil, fmt.Errorf("bad flag syntax: --%s", name)
	}
	takes, known := f.values[name]
	switch {
	case !known && !f.lenient:
		return nil, nil, unknownFlag("--" + name)
	case given:
	case !takes:
		value = "true"
	case len(args) == 0:
		return nil, nil, fmt.Errorf("flag needs an argument: --%s", name)
	default:
		value, args = args[0], args[1:]
	}
	flags, err := f.set(flags, name, value, known && !takes)
	return flags, args, err
}

func (f *Set) short(flags []Flag, args []string) (_ []Flag, _ []string, err error) {
	letters := args[0][1:]
	args = args[1:]
	for letters != "" {
		name, known := f.letters[letters[0]]
		if !known {
			if !f.lenient {
				return nil, nil, unknownFlag("-" + letters[:1])
			}
			name = letters[:1]
		}
		takes := f.values[name]
		value, rest := "true", letters[1:]
		switch {
		case len(rest) > 1 && rest[0] == '=':
			value, rest = rest[1:], ""
		case !takes:
		case rest != "":
			value, rest = rest, ""
		case len(args) == 0:
			return nil, nil, fmt.Errorf("flag needs an argument: -%s", letters[:1])
		default:
			value, args = args[0], args[1:]
		}
		if flags, err = f.set(flags, name, value, known && !takes); err != nil {
			return nil, nil, err
		}
		letters = rest
	}
	return flags, args, nil
}

// set adds a flag; a switch is true or false.
func (f *Set) set(flags []Flag, name, value string, isSwitch bool) ([]Flag, error) {
	if isSwitch {
		on, err := strconv.ParseBool(value)
		if err != nil {
			return nil, fmt.Errorf("invalid argument %q for --%s: neither true nor false", value, name)
		}
		value = strconv.FormatBool(on)
	}
	return append(flags, Flag{name, value}), nil
}

// Last gives the value of a flag that counts once.
func Last(flags []Flag, name string) string {
	for i := len(flags) - 1; i >= 0; i-- {
		if flags[i].Name == name {
			return flags[i].Value
		}
	}
	return ""
}

// All gives the values of a flag that may be repeated.
func All(flags []Flag, name string) []string {
	var out []string
	for _, f := range flags {
		if f.Name == name {
			out = append(out, f.Value)
		}
	}
	return out
}

// On tells whether a switch is set.
func On(flags []Flag, name string) bool { return Last(flags, name) == "true" }
