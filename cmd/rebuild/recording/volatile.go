package recording

import (
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// timely says which tags and arguments are those of the moment: of a date, a time, or the
// commit that is checked out. A definition would keep them as they were.
func timely(images []*Image, root string, now time.Time) []string {
	var w warnings
	head := headOf(root)
	for _, im := range images {
		for _, tag := range im.Tags {
			what := ofNow(variantOf(tag), head, now)
			if what == "" {
				continue
			}
			w.add("the tag holds "+what+", and the file keeps it as it is: %s. Build under another with: rebuild --set IMAGE.tags=NAME:TAG", tag)
		}
		for name, value := range im.Args {
			if slices.Contains(im.fromEnv, name) {
				continue
			}
			if what := ofNow(value, head, now); what != "" {
				w.add("the argument "+name+" holds "+what+", and the file keeps it as it is: %s. Write {"+name+": null} to take it from the environment, "+
					"and ignore_args: ["+name+"] to leave it out of the comparison", im.label())
			}
		}
	}
	return w.lines()
}

func variantOf(tag string) string {
	at := strings.LastIndexByte(tag, ':')
	if at < strings.LastIndexByte(tag, '/') {
		return ""
	}
	return tag[at+1:]
}

// headOf is the commit that is checked out, "" without one.
func headOf(root string) string {
	cmd := exec.Command("git", "rev-parse", "HEAD")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

var (
	digits  = regexp.MustCompile(`\d+`)
	hexWord = regexp.MustCompile(`[0-9a-f]{7,40}`)
)

// clock is how far from the recording's begin a number counts as its time, in seconds.
const clock = 3600

// ofNow says what of the moment a text holds: the date in any usual form, the seconds since
// 1970, or the commit, whole or short.
func ofNow(text, head string, now time.Time) string {
	for _, word := range hexWord.FindAllString(strings.ToLower(text), -1) {
		if head != "" && strings.HasPrefix(head, word) {
			return "the commit"
		}
	}
	for _, n := range digits.FindAllString(text, -1) {
		if seconds, err := strconv.ParseInt(n, 10, 64); err == nil && seconds > now.Unix()-clock && seconds < now.Unix()+clock {
			return "the time"
		}
	}
	for _, t := range []time.Time{now, now.UTC()} {
		for _, form := range []string{"20060102", "2006-01-02", "2006.01.02", "2006_01_02", "060102", "02-01-2006"} {
			if strings.Contains(text, t.Format(form)) {
				return "the date"
			}
		}
	}
	return ""
}
