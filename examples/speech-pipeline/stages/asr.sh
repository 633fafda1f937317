#!/bin/sh
# asr: the words of each segment, with single spaces.
set -eu
. "$SPEECH_HOME/shared/log.sh"
. "$SPEECH_HOME/shared/segments.sh"
log "listens"
segments '{gsub(/ +/, " ", $3); print}'
