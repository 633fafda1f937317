#!/bin/sh
# post-ner: takes the brackets off again, and knows the names of the cast.
set -eu
. "$SPEECH_HOME/shared/log.sh"
. "$SPEECH_HOME/shared/segments.sh"
log "knows $(wc -l <"$SPEECH_HOME/names.txt") names"
segments '{gsub(/[][]/, "", $3); print}'
