#!/bin/bash
# resume.sh DIR [LAUNCHER ...]
#
# Without a scheduler, on a workstation or inside salloc: finishes the job of a checkpoint directory
# with the command recorded there, however often it has to be started. Ctrl-C checkpoints and stops.
#   resume.sh ckpt
#   resume.sh ckpt mpirun --host a:4,b:4 -n 8
dir=${1:?checkpoint directory}
shift
exec sauerkraut launch --dir "$dir" -- sauerkraut resume ${1:+--launcher "$*"} "$dir"
