// Package impact is the model: which layers a change touches, which images hold
// those layers, and what is built on those images.
//
// A build is a graph of layers. Every layer has a key: a digest of its operation,
// of the keys of its inputs, and of the content of exactly those files that it
// reads. Equal keys mean that BuildKit would find the layer in its cache. The state
// of an image is the keys of its layers with its config; a snapshot is the states
// of all images of a catalog at one tree; a plan is the difference between two
// snapshots, the baseline and the target. So an edit of a file, of a Dockerfile,
// an ignore file, a build argument or a definition, a deleted file, a changed mode,
// a new image and a base that moved are all one case.
//
// The promises:
//
//   - Sound: an image that a plan keeps is one whose build would execute nothing
//     and yield the same image.
//   - Minimal: an image that a plan rebuilds has a layer or config change of its own,
//     or takes something that changed from a parent. FROM takes layers and config,
//     COPY --from and mounts take files only.
//   - Explained: a decision carries its reasons as data, recorded where it is made.
//
// What is not understood widens a plan, with a warning, and never narrows it. What
// the model cannot know: whether a RUN that is executed again gives the same files
// (then BuildKit, and the cutoff of a run, save work that a plan predicted), and
// what lies behind a URL.
//
// Three steps stay apart: a Scanner marks (scan.go), Make intends (plan.go,
// reason.go), and package docker executes. The package imports only the standard
// library; it reads trees through Files and Dockerfiles through Convert.
package impact
