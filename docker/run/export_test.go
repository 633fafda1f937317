package run

import "rebuild/docker"

// Tests of the journal alone write it as a run does.

func (j *Journal) Begin(image string, refs []string, now docker.Images) error {
	return j.begin(image, "", refs, now)
}

func (j *Journal) End(image, id string) error { return j.end(image, id) }

func (j *Journal) Uncertain(image string) bool {
	_, open := j.uncertain(image)
	return open
}
