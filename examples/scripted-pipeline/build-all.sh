#!/usr/bin/env bash
# Builds all images of the pipeline, in four phases. REGISTRY may be set.
#
#   ./build-all.sh                     everything
#   SKIP_FALLBACKS=1 ./build-all.sh   without the CPU builds of the CUDA stages
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

REGISTRY="${REGISTRY:-subtitles}"
SKIP_FALLBACKS="${SKIP_FALLBACKS:-0}"
PYTHON_INDEX="whl/cu121"

CPU_STAGES=(demux metadata names-before names-after subtitles mux)
CUDA_STAGES=(
    speech            # the words
    voice-activity
    voice-activity-fine
    speakers
    translation
    songs
)

BUILT=()
FAILED=()

info()  { printf '\033[34m[build]\033[0m %s\n' "$*"; }
error() { printf '\033[31m[build]\033[0m %s\n' "$*" >&2; }

# build_image NAME TAG FOLDER [ARG...]: one image, from the Dockerfile of a folder.
build_image() {
    local name="$1" tag="$2" folder="$3"
    shift 3
    local ref="${REGISTRY}/${name}:${tag}"
    info "$ref"
    if docker build -t "$ref" -f "docker/${folder}/Dockerfile" "$@" .; then
        BUILT+=("$ref")
    else
        error "failed: $ref"
        FAILED+=("$ref")
        return 1
    fi
}

# build_fallback STAGE: a CUDA stage on the CPU base, for machines without a GPU.
build_fallback() {
    local ref="${REGISTRY}/$1:cpu"
    info "$ref (fallback)"
    if sed -e "s|^FROM ${REGISTRY}/base-ml:cuda|FROM ${REGISTRY}/base:cpu|" -e "s|${PYTHON_INDEX}|whl/cpu|" "docker/$1/Dockerfile" |
        docker build -t "$ref" -f - .; then
        BUILT+=("$ref")
    else
        FAILED+=("$ref")
    fi
}

docker info >/dev/null 2>&1 || info "the engine does not answer yet"

echo "=== Phase 1: base images"
for variant in cpu cuda; do
    build_image base "$variant" "base-$variant" || exit 1
done
build_image base-ml cuda base-ml || exit 1

echo "=== Phase 2: CPU stages"
for stage in "${CPU_STAGES[@]}"; do
    build_image "$stage" cpu "$stage" --build-arg "BASE=${REGISTRY}/base"
done

echo "=== Phase 3: CUDA stages"
for stage in "${CUDA_STAGES[@]}"; do
    build_image "$stage" cuda "$stage"
done

if [[ "$SKIP_FALLBACKS" != 1 ]]; then
    echo "=== Phase 4: CPU fallbacks"
    for stage in "${CUDA_STAGES[@]}"; do
        build_fallback "$stage"
    done
fi

echo "=== ${#BUILT[@]} built, ${#FAILED[@]} failed"
docker images --format 'table {{.Repository}}\t{{.Tag}}\t{{.Size}}' | grep "^${REGISTRY}/" | sort
[[ ${#FAILED[@]} -eq 0 ]]
