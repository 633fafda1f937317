log() { echo "[$STAGE] $*" >&2; }
