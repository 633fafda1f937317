#!/bin/sh
# silero-vad: drops silence, and speech shorter than the model can tell.
set -eu
. "$SPEECH_HOME/models/silero-vad.conf"
awk -F '\t' -v min="$min_speech" '$3 != "(silence)" && $2 - $1 >= min'
