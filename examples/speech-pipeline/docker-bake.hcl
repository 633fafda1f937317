# The fifteen images that have a definition of their own. Their CPU fallbacks
# are derived from the CUDA stages in rebuild.yaml.

variable "OS" {
  default = "speech/os:1"
}

# No group is named "default": it would be all that rebuild selects, without the
# fallbacks. The stages' groups are made by their matrices.
group "bases" {
  targets = ["base-cpu", "base-cuda", "base-ml-cuda"]
}

target "base-cpu" {
  dockerfile = "docker/base-cpu/Dockerfile"
  args       = { OS = OS }
  tags       = ["speech/base:cpu"]
}

target "base-cuda" {
  dockerfile = "docker/base-cuda/Dockerfile"
  args       = { OS = OS }
  tags       = ["speech/base:cuda"]
}

target "base-ml-cuda" {
  dockerfile = "docker/base-ml-cuda/Dockerfile"
  tags       = ["speech/base-ml:cuda"]
}

target "cpu-stages" {
  matrix     = { stage = ["demux", "tmdb", "pre-ner", "post-ner", "subtitle-gen", "mux"] }
  name       = "${stage}-cpu"
  dockerfile = "docker/${stage}/Dockerfile"
  args       = { BASE = "speech/base", BASE_TAG = "cpu" }
  tags       = ["speech/${stage}:cpu"]
}

target "cuda-stages" {
  matrix     = { stage = ["asr", "silero-vad", "pyannote-vad", "diarization", "second-pass-translation", "lyrics-detection"] }
  name       = "${stage}-cuda"
  dockerfile = "docker/${stage}/Dockerfile"
  args       = { BASE = "speech/base-ml", BASE_TAG = "cuda" }
  tags       = ["speech/${stage}:cuda"]
}
