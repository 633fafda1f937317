#!/bin/sh
# second-pass-translation: one more pass over the words that the glossary knows.
set -eu
. "$SPEECH_HOME/shared/log.sh"
. "$SPEECH_HOME/shared/segments.sh"
log "translates"
segments 'BEGIN {while ((getline line <"/opt/deps/glossary") > 0) {split(line, pair, FS); word[pair[1]] = pair[2]}}
	{for (w in word) gsub(w, word[w], $3); print}'
