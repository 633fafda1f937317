#!/bin/sh
# Shows what rebuild does with a copy of the speech pipeline: builds its 21
# images, changes one thing after the other, and holds each plan and each run
# against what they must be. Run it with "make demo".
#
#	examples/demo.sh [path of rebuild]
#
# The copy and its images are removed at the end, unless KEEP=1.
set -eu

bases="base-cpu base-cuda base-ml-cuda"
cpu="demux-cpu tmdb-cpu pre-ner-cpu post-ner-cpu subtitle-gen-cpu mux-cpu"
cuda="asr-cuda silero-vad-cuda pyannote-vad-cuda diarization-cuda second-pass-translation-cuda lyrics-detection-cuda"
fallbacks="asr-cpu silero-vad-cpu pyannote-vad-cpu diarization-cpu second-pass-translation-cpu lyrics-detection-cpu"
images="$bases $cpu $cuda $fallbacks"
# asr-cuda is the image speech/asr:cuda, and so on.
references=$(for name in $images; do echo "speech/${name%-*}:${name##*-}"; done)

here=$(cd "$(dirname "$0")" && pwd)
rebuild=$(realpath "${1:-$here/../bin/rebuild}")

# Inside a git hook these would point at the caller's repository. What the user
# configured (signing, hooks) is no business of the copy.
for name in $(git rev-parse --local-env-vars); do
	unset "$name"
done
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=demo GIT_AUTHOR_EMAIL=demo@localhost
export GIT_COMMITTER_NAME=demo GIT_COMMITTER_EMAIL=demo@localhost

# Two demos at once would take each other's tags.
if command -v flock >/dev/null; then
	exec 9>"${TMPDIR:-/tmp}/rebuild-demo.$(id -u).lock"
	flock -n 9 || {
		echo "demo: waits for another one to end" >&2
		flock 9
	}
fi

work=$(mktemp -d)
cleanup() {
	status=$?
	trap - EXIT INT TERM
	rm -f "$work".*
	if [ "${KEEP:-}" = 1 ]; then
		echo "kept: $work and the images speech/*"
	else
		rm -rf "$work"
		# shellcheck disable=SC2086 # one reference a word
		docker image rm $references >/dev/null 2>&1 || true
	fi
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
	echo "demo: error: $*" >&2
	exit 1
}

# built lists what the engine holds of the pipeline: reference and id, one image a line.
built() {
	docker image ls --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' 'speech/*' |
		grep -E "^($(echo "$references" | paste -s -d '|' -)) " | sort
}

# step begins a part, and says how long the demo has taken so far.
step() { printf '\n== %s  [%d s]\n' "$1" $(($(date +%s) - now)); }
tell() { printf '\n-- %s\n' "$*"; }

run() {
	printf '\n$ %s\n' "$*"
	shift
	"$rebuild" "$@"
}

words() { printf '%s\n' "$@" | grep . | sort; }

# planned lists the images that a plan would rebuild.
planned() {
	"$rebuild" plan --format json >"$work.json" 2>"$work.log" || {
		cat "$work.log" >&2
		fail "rebuild plan failed"
	}
	tr -d ' \n' <"$work.json" |
		grep -o '"name":"[^"]*"[^{}]*"action":"rebuild"' | cut -d '"' -f 4 | sort
	rm "$work.json" "$work.log"
}

# same WHAT WANT GOT: both are names, one a line.
same() {
	[ "$2" = "$3" ] || fail "$1: want $(echo "$2" | paste -s -d ' ' -), got $(echo "$3" | paste -s -d ' ' -)"
}

# plans IMAGE...: a plan rebuilds these and no others.
plans() {
	got=$(planned)
	same "the plan" "$(words "$@")" "$got"
}

# moved BEFORE AFTER: the images whose id differs between two listings, by the
# name that the definition gives them (speech/asr:cuda is asr-cuda).
moved() {
	printf '%s\n%s\n' "$1" "$2" | grep . | sort | uniq -u | cut -d ' ' -f 1 |
		sed 's|^speech/||; s|:|-|' | sort -u
}

# change IMAGE TEXT WANT...: shows what the edit in the working tree touches, and
# proves it: the plan names WANT, and after the run just those images differ.
change() {
	image=$1
	tell "$2"
	shift 2
	git --no-pager diff -U0 | grep -e '^[-+]'

	run rebuild plan
	plans "$@"
	run rebuild why "$image" | tee "$work.why"
	[ $# = 0 ] || grep -q -F "$(git diff --name-only)" "$work.why" ||
		fail "why $image does not name what changed"

	before=$(built)
	run rebuild
	same "new in the engine" "$(words "$@")" "$(moved "$before" "$(built)")"
	plans
	git commit -q -a -m "$image"
}

now=$(date +%s)

cp -R "$here/speech-pipeline/." "$work"
cd "$work"
git init -q -b main
git add -A
git commit -q -m "a speech pipeline"

# shellcheck disable=SC2086 # lists of names, here and below
{
	step "1. All 21 images, in four phases"
	tell "No build is on record yet: 15 images of docker-bake.hcl, 6 derived in rebuild.yaml."
	run rebuild plan
	plans $images
	run rebuild
	plans
	same "in the engine" "$(words $images)" "$(moved "" "$(built)")"

	step "2. One stage's script"
	echo "# changed at $now" >>stages/asr.sh
	change asr-cuda "asr's script is in one layer of one Dockerfile: its CUDA image, and the CPU fallback made of it." \
		asr-cuda asr-cpu

	step "3. The shared code"
	echo "# changed at $now" >>shared/log.sh
	change asr-cuda "Nine Dockerfiles copy shared/; tmdb, mux and silero-vad do not, nor do the bases." \
		demux-cpu pre-ner-cpu post-ner-cpu subtitle-gen-cpu \
		asr-cuda pyannote-vad-cuda diarization-cuda second-pass-translation-cuda lyrics-detection-cuda \
		asr-cpu pyannote-vad-cpu diarization-cpu second-pass-translation-cpu lyrics-detection-cpu

	step "4. A RUN line of a base"
	sed "s|sleep 0.2|echo $now > /opt/deps/changed|" docker/base-cpu/Dockerfile >"$work.edit"
	cat "$work.edit" >docker/base-cpu/Dockerfile
	rm "$work.edit"
	change tmdb-cpu "base-cpu is under each CPU stage and each fallback, and under no CUDA image." \
		base-cpu $cpu $fallbacks

	step "5. A comment in a base's Dockerfile"
	echo "# changed at $now" >>docker/base-cpu/Dockerfile
	change base-cpu "A comment is in no layer, and no image copies the file: nothing to do."

	step "6. Nothing is left to do"
	tell "Four changes later each image is what a build of everything would give."
	run rebuild
	plans
}

printf '\ndemo: ok\n'
