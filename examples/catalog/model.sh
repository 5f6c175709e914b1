# The model that MODEL names, for demo.sh and report.sh to source: its name, or nothing, and its directory.
# shellcheck shell=bash

model=
model_directory=
if [[ -n ${MODEL:-} ]]; then
	if [[ ! -f $MODEL/modules.json ]]; then
		echo "${0##*/}: MODEL has to name a directory in the layout of sentence-transformers; there is no $MODEL/modules.json" >&2
		exit 1
	fi
	model_directory=$(cd "$MODEL" && pwd)
	model=${model_directory##*/}
	# The server runs as this user.
	unreadable=$(find -L "$model_directory" -type f ! -readable -print -quit)
	if [[ -n $unreadable ]]; then
		echo "${0##*/}: $(id -un) cannot read $unreadable of the model" >&2
		exit 1
	fi
fi
