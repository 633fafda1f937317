#!/bin/sh
# Writes history.bundle beside itself: the same commits each time. What they do to
# the images is told by TestTruth, which writes expected.jsonl:
#
#	cmd/rebuild/testdata/corpus/five-images/history.sh
#	go test ./cmd/rebuild -run TestTruth -walk -update
#
# As in every corpus, what a RUN makes differs each time that it runs, so that an
# image whose id stays is one that the engine's cache held.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repo=$(mktemp -d)
trap 'rm -rf "$repo"' EXIT
cd "$repo"

export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME=corpus GIT_AUTHOR_EMAIL=corpus@corpus.invalid
export GIT_COMMITTER_NAME=corpus GIT_COMMITTER_EMAIL=corpus@corpus.invalid
umask 022
git init -q -b main

minute=0

# commit WHAT: all that is there.
commit() {
	minute=$((minute + 1))
	at=$(printf '2026-01-01T00:%02d:00Z' $minute)
	git add -A
	GIT_AUTHOR_DATE=$at GIT_COMMITTER_DATE=$at git commit -q -m "$1"
}

mkdir -p docker/base docker/tools docker/api docker/report api lib tools web/site/v1 web/site/v2

cat >docker/base/Dockerfile <<'EOF'
FROM corpus.invalid/small:1
LABEL maintainer=us
ENV MODE=plain
RUN mktemp /tmp/base.XXXXXX
WORKDIR /app
EOF
cat >docker/tools/Dockerfile <<'EOF'
FROM corpus.invalid/big:1
RUN mktemp /tmp/tools.XXXXXX
COPY tools/ /opt/tools/
COPY tools/extra.txt /opt/extra.txt
EOF
cat >docker/api/Dockerfile <<'EOF'
ARG BASE=five-images.invalid/base:1
FROM ${BASE}
COPY lib/ /app/lib/
RUN mktemp /tmp/api.XXXXXX
COPY api/ /srv/api/
EOF
cat >web/Dockerfile <<'EOF'
FROM corpus.invalid/big:1 AS pages
COPY site/ /site/
RUN mktemp /tmp/pages.XXXXXX

FROM five-images.invalid/base:1
COPY --from=pages /site/ /srv/site/
COPY --from=corpus.invalid/big:1 /stub /srv/stub
EOF
cat >.dockerignore <<'EOF'
.git
docker
EOF
echo 'draft*' >web/.dockerignore
echo serve >api/run.sh
echo 'how to run it' >api/README.md
echo one >lib/one.txt
echo hammer >tools/hammer.txt
echo extra >tools/extra.txt
echo old >web/site/old.html
echo 1 >web/site/v1/index.html
echo 2 >web/site/v2/index.html
ln -s v1 web/site/latest
echo 'what this is' >README.md
commit 'two bases, and what is built on them'

echo draft >web/draft.html
echo 'what this is, and why' >README.md
sed -i '1i # The base of all that serves.' docker/base/Dockerfile
commit 'nothing that an image reads: a hidden file, a readme, a comment'

cat >docker/report/Dockerfile <<'EOF'
FROM five-images.invalid/tools:1
COPY --from=five-images.invalid/api:1 /srv/api/ /opt/api/
RUN mktemp /tmp/report.XXXXXX
EOF
commit 'a fifth image, which takes files from another'

echo 'serve fast' >api/run.sh
commit 'a file that one image reads, and one takes from it'

echo '**/*.md' >>.dockerignore
commit 'the ignore file hides a file that was copied'

echo '*.log' >>.dockerignore
commit 'the ignore file hides what is not there'

chmod +x api/run.sh
commit 'a mode'

git mv web/site/old.html web/site/older.html
commit 'a file gets another name'

ln -sfn v2 web/site/latest
commit 'a link leads elsewhere'

git rm -q tools/extra.txt
commit 'a file that is copied goes away, so that an image and one built on it are broken'

echo 'extra again' >tools/extra.txt
commit 'it comes back with other content'

sed -i 's/maintainer=us/maintainer=them/' docker/base/Dockerfile
commit 'a label of a base, which reaches what is built on it and not what takes files'

sed -i 's/MODE=plain/MODE=fast/' docker/base/Dockerfile
commit 'a variable of a base: its children run again, and give the same files'

git revert --no-commit HEAD
commit 'and back: the engine holds all that'

git bundle create -q "$here/history.bundle" HEAD main
