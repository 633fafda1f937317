package standin

import (
	"fmt"
	"io"
	"strings"

	"rebuild/impact/catalog/commandline"
)

// command is what a call means: its verb without the names of groups ("image build" is
// "build"), and what follows.
type command struct {
	verb    string
	args    []string
	globals []commandline.Flag
}

// grouped are the verbs that docker has also in groups, or in groups alone.
var grouped = map[string]string{
	"image build": "build", "builder build": "build", "buildx build": "build", "buildx b": "build",
	"buildx bake": "bake", "buildx f": "bake",
	"image ls": "images", "image list": "images", "image inspect": "image inspect", "manifest inspect": "manifest inspect",
	"imagetools inspect": "manifest inspect", "image tag": "tag", "image push": "push", "image pull": "pull",
	"image rm": "rmi", "image remove": "rmi", "image exists": "image exists",
	"image prune": "prune", "system prune": "prune", "builder prune": "prune", "buildx prune": "prune", "container prune": "prune",
	"volume prune": "prune", "network prune": "prune",
	"buildx create": "buildx create", "buildx use": "buildx use", "buildx inspect": "buildx inspect", "buildx ls": "buildx ls",
	"buildx rm": "buildx rm", "buildx stop": "buildx rm",
	"compose build": "compose build", "compose up": "compose up", "compose create": "compose up", "compose push": "compose push",
}

// command reads what is called. It is an error where docker would say so.
func (s *standIn) command() (c command, err error) {
	globals := commandline.DockerGlobals
	args := s.args
	switch s.program {
	case "podman":
		globals = commandline.PodmanGlobals
	case "nerdctl":
		globals = commandline.NerdctlGlobals
	case "docker-compose":
		args = append([]string{"compose"}, args...)
	case "buildx", "docker-buildx":
		if len(args) > 0 && args[0] == "buildx" { // as docker calls its plugin
			args = args[1:]
		}
		args = append([]string{"buildx"}, args...)
	}
	c.globals, args, err = globals.Parse(args, true)
	if err != nil || len(args) == 0 {
		return c, err
	}
	c.verb, c.args = args[0], args[1:]
	inner := map[string]*commandline.Set{"compose": commandline.ComposeGlobals, "buildx": commandline.BuildxGlobals}[c.verb]
	if inner == nil {
		inner = commandline.New("help", "")
	}
	switch c.verb {
	case "image", "builder", "buildx", "compose", "manifest", "system", "container", "volume", "network":
		more, rest, err := inner.Parse(c.args, true)
		if err != nil || len(rest) == 0 {
			return c, nil //nolint:nilerr // the real program says it better
		}
		c.globals = append(c.globals, more...)
		name := c.verb + " " + rest[0]
		if name == "buildx imagetools" && len(rest) > 1 {
			name, rest = "imagetools "+rest[1], rest[1:]
		}
		if verb, ok := grouped[name]; ok {
			name = verb
		}
		c.verb, c.args = name, rest[1:]
	}
	return c, nil
}

// quiet are verbs that are answered without doing anything, with what is said of it.
var quiet = map[string]string{
	"prune": "nothing is pruned", "compose push": "nothing is pushed", "buildx use": "", "buildx rm": "",
}

// answer does what a call asks for.
func (s *standIn) answer() (int, error) {
	c, err := s.command()
	if err != nil {
		return s.real()
	}
	for _, a := range c.args {
		if a == "--help" || a == "-h" && c.verb != "run" {
			return s.real()
		}
	}
	switch c.verb {
	case "build":
		return s.build(c)
	case "bake", "compose build", "compose up":
		return s.definition(c)
	case "tag":
		return s.tag(c)
	case "images":
		return s.images(c)
	case "image inspect", "inspect", "manifest inspect", "image exists":
		return s.inspect(c)
	case "push":
		s.say("%s: nothing is pushed", s.line())
		return 0, nil
	case "login":
		if hasFlag(c.args, "--password-stdin") {
			_, _ = io.Copy(io.Discard, s.stdin) // who writes it waits until it is read
		}
		s.say("login: no registry is asked")
		fmt.Fprintln(s.stdout, "Login Succeeded")
		return 0, nil
	case "logout":
		s.say("logout: no registry is asked")
		return 0, nil
	case "pull":
		return s.pull(c)
	case "rmi":
		return s.remove(c)
	case "buildx create":
		return s.createBuilder(c)
	case "buildx inspect":
		fmt.Fprintf(s.stdout, "Name:   %s\nDriver: docker-container\n\nNodes:\nName:      %[1]s0\nStatus:    running\nPlatforms: linux/amd64, linux/arm64\n", builderName(c))
		return 0, nil
	case "buildx ls":
		fmt.Fprintf(s.stdout, "NAME/NODE    DRIVER/ENDPOINT   STATUS    BUILDKIT   PLATFORMS\ndefault*     docker\n \\_ default   \\_ default       running   -          linux/amd64, linux/arm64\n")
		return 0, nil
	case "run":
		s.warnOfRun(c)
	}
	if what, ok := quiet[c.verb]; ok {
		if what != "" {
			s.say("%s: %s", s.line(), what)
		}
		return 0, nil
	}
	return s.real()
}

// line is the call as the user knows it.
func (s *standIn) line() string { return s.program + " " + strings.Join(s.args, " ") }

func hasFlag(args []string, flag string) bool {
	for _, a := range args {
		if a == flag || strings.HasPrefix(a, flag+"=") {
			return true
		}
	}
	return false
}

// createBuilder says the name of the builder that was to be made.
func (s *standIn) createBuilder(c command) (int, error) {
	fmt.Fprintln(s.stdout, builderName(c))
	return 0, nil
}

var builderFlags = commandline.New(
	"append bootstrap leave use default-load D,debug h,help default global",
	"buildkitd-config config buildkitd-flags driver driver-opt name node platform builder timeout format").Loose()

func builderName(c command) string {
	flags, rest, err := builderFlags.Parse(c.args, false)
	if err != nil {
		return "default"
	}
	if name := commandline.Last(flags, "name"); name != "" {
		return name
	}
	if len(rest) > 0 {
		return rest[0]
	}
	return "default"
}

// warnOfRun says that a container runs on what was built before, if at all.
func (s *standIn) warnOfRun(c command) {
	if s.settings.Through {
		return
	}
	built, err := s.built()
	if err != nil {
		return
	}
	for _, a := range c.args {
		if _, ok := built.find(a); ok {
			s.say("%s: %s was not built by this recording, so the real program runs what it has under that name: --through builds", s.program+" run", a)
			return
		}
	}
}
