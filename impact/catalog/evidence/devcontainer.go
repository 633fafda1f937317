package evidence

import (
	"encoding/json"
	"path"

	"github.com/tailscale/hujson"
)

// devContainer reads the image of a development container. Its paths count from the file's
// folder; the context of the older "dockerFile" does, too.
func devContainer(name string, text []byte) Found {
	plain, err := hujson.Standardize(text)
	if err != nil {
		return Found{}
	}
	var file struct {
		DockerFile, Context string
		Build               struct {
			Dockerfile, Context, Target string
			Args                        map[string]string
		}
	}
	if json.Unmarshal(plain, &file) != nil {
		return Found{}
	}
	b := Build{Where: name + ":1", Dirs: []string{path.Dir(name)}, Dockerfile: file.Build.Dockerfile, Context: firstOf(file.Build.Context), Target: file.Build.Target, Args: file.Build.Args}
	if b.Dockerfile == "" {
		b.Dockerfile, b.Context = file.DockerFile, firstOf(file.Context)
	}
	if b.Dockerfile == "" {
		return Found{}
	}
	return Found{Builds: []Build{b}}
}
