package catalog

import "testing"

func TestRoleOf(t *testing.T) {
	for name, want := range map[string]struct {
		role    fileRole
		variant string
	}{
		"Dockerfile":              {isDockerfile, ""},
		"dockerfile":              {isDockerfile, ""},
		"Containerfile":           {isDockerfile, ""},
		"Dockerfile.cuda":         {isDockerfile, "cuda"},
		"Dockerfile-dev":          {isDockerfile, "dev"},
		"Dockerfile_arm64":        {isDockerfile, "arm64"},
		"cuda.Dockerfile":         {isDockerfile, "cuda"},
		"api.dockerfile":          {isDockerfile, "api"},
		"Containerfile.x":         {isDockerfile, "x"},
		"Dockerfile.in":           {isTemplate, ""},
		"Dockerfile.j2":           {isTemplate, ""},
		"Dockerfile.cuda.tmpl":    {isTemplate, ""},
		"template.Dockerfile":     {isTemplate, ""},
		"api.Dockerfile.j2":       {isTemplate, ""},
		"Dockerfile.dockerignore": {noDockerfile, ""},
		"Dockerfile.approved.txt": {noDockerfile, ""},
		"Dockerfile.md":           {noDockerfile, ""},
		"Dockerfile~":             {noDockerfile, ""},
		"Dockerfile.bak":          {noDockerfile, ""},
		"Dockerfile.":             {noDockerfile, ""},
		"Dockerfiles":             {noDockerfile, ""},
		"MyDockerfile":            {noDockerfile, ""},
		"readme":                  {noDockerfile, ""},
	} {
		if role, variant := roleOf(name); role != want.role || variant != want.variant && role == isDockerfile {
			t.Errorf("%s: %v %q, want %v", name, role, variant, want)
		}
	}
}

func TestTemplated(t *testing.T) {
	for text, want := range map[string]bool{
		"FROM {{ base }}\n":                             true,
		"FROM alpine\n{% if x %}\n":                     true,
		"FROM %%BASE%%\n":                               true,
		"FROM @BASE_IMAGE@\n":                           true,
		"#include \"base.docker\"\nFROM x\n":            true,
		"#define VERSION 3\nFROM x\n":                   true,
		"FROM alpine\nRUN docker ps --format '{{.ID}}'": false,
		"# define the port\nFROM alpine\n":              false,
		"FROM alpine\nRUN date +%%s%%\n":                false,
		"FROM alpine\nRUN echo 100%\n":                  false,
		"FROM a@sha256:0\nLABEL m=x@example.com\n":      false,
		"FROM alpine\nCMD [\"x\", \"{{.Name}}\"]\n":     false,
	} {
		if got := templated([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
