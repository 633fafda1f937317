#!/bin/sh
# pre-ner: puts the names that it finds in brackets.
set -eu
. "$SPEECH_HOME/shared/log.sh"
. "$SPEECH_HOME/shared/segments.sh"
log "looks for names"
segments '{gsub(/[A-Z][a-z]+/, "[&]", $3); print}'
