#!/usr/bin/env bash
# The run behind models/drh.onnx of version 0.2.0: it goes on from version 0.1.0's network, on two cores without a GPU. DATA holds the sets
# that models/MODEL_CARD.md names; WORK receives about 4 GB of intermediate files. Every step resumes or can be repeated.
set -euo pipefail
DATA=${DATA:?folder with train/, lfw/, test/ and models/}
WORK=${WORK:?folder for intermediate files}
PYTHON=${PYTHON:-.venv/bin/python}
mkdir -p "$WORK"

# crops, what the teacher says of them, and nobody of a test set: 789 of 65,080 crops look like somebody of LFW or of YouTube Faces
$PYTHON -m training.pack "$WORK/packed" "$DATA"/train/{celeba_a,celeba_b,fiw,utkface,fiw_unlabelled,nomask,masks}.zip
$PYTHON -m training.teach "$WORK/packed" "$DATA/models/w600k_mbf_dequant.onnx" "$WORK/teacher_mbf.npy"
$PYTHON -m training.overlap "$WORK/packed" "$WORK/teacher_mbf.npy" "$DATA/models/w600k_mbf_dequant.onnx" \
    "$DATA/lfw/lfw-deepfunneled.zip" "$DATA/test/ytf_150.zip"

# stage 1 goes on from the shipped network (commit 82686e3 has it), then with the rank hash trained along.
# As it was: both cycles ran on one core, under the module's former name training.distil. The first was stopped after 27 of its 100 minutes
# (117,000 samples) to begin the second (256,000 samples). The share of equal symbols asked for in the second rose faster than that of a
# Gaussian projection, which training.stage1 now asks for. The teacher had embedded the mirror images of none of the crops when the first
# began and of two thirds when the second began; the targets of the others were those of the crop alone.
$PYTHON -m training.warm hash models/drh.onnx "$WORK/packed" "$WORK/warm.pt"
$PYTHON -m training.stage1 "$WORK/packed" "$WORK/teacher_mbf.npy" "$WORK/backbone2.pt" --start "$WORK/warm.pt" --rate 2e-3 --minutes 100 --threads 1 --seed 2
$PYTHON -m training.stage1 "$WORK/packed" "$WORK/teacher_mbf.npy" "$WORK/hashed.pt" --start "$WORK/backbone2.pt" --codes "$WORK/warm.pt" \
    --rate 1.6e-3 --minutes 62 --threads 1 --seed 3

# stage 2: rank hash, then the uncertainty
$PYTHON -m training.features "$WORK/packed" "$WORK/hashed.pt" "$WORK/features.npz" --limit 20000 --views 3
$PYTHON -m training.drh "$WORK/features.npz" "$WORK/head.pt" --steps 1000
$PYTHON -m training.pfe "$WORK/packed" "$WORK/hashed.pt" "$WORK/scalar.pt" --head "$WORK/head.pt" --steps 200

# behind the table of sizes in docs/evaluation.md
$PYTHON -m training.heads "$WORK/features.npz" "$WORK/heads" --sizes 64x8 256x8 512x8 --steps 400

$PYTHON -m training.export drh "$WORK/hashed.pt" "$WORK/head.pt" models/drh.onnx --facts training/runs/drh_facts.json

# the non-mated tail as the door compares: fused with fused. As it was: on the labelled sets alone (celeba_a, celeba_b, fiw), a session later
$PYTHON -m training.tail "$WORK/packed" models/drh.json --write
