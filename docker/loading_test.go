package docker

import (
	"errors"
	"testing"
)

// What engines say of an image that was loaded.
func TestLoadedID(t *testing.T) {
	for said, want := range map[string]string{
		"Loaded image ID: sha256:88\n":                    "sha256:88", // Docker
		"Loaded image: sha256:88":                         "sha256:88", // Podman 4.3 and 5.4
		"Loaded image: docker.io/x/app:latest":            "",
		"Loaded image: docker.io/x/a:1,docker.io/x/b:2\n": "",
		"": "",
	} {
		if id, ok := loadedID(said); id != want || ok != (want != "") {
			t.Errorf("%q: %q %v", said, id, ok)
		}
	}
}

// Podman says of each form of archive why it is none; what was sent is one of docker save.
func TestArchiveFault(t *testing.T) {
	const podman = "Error response from daemon: failed to load image: payload does not match any of the supported image formats:\n" +
		" * oci: open /var/tmp/api_load.tar1/index.json: not a directory\n * docker-archive: writing blob: no space left on device\n * dir: not a directory"
	if got := archiveFault(errors.New(podman)); got != "writing blob: no space left on device" {
		t.Error(got)
	}
	if got := archiveFault(errors.New("no space left on device")); got != "" {
		t.Error(got)
	}
}
