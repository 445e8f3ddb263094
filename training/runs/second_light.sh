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

# stage 1 goes on from the shipped network (git show v0.1.0 or commit 82686e3 has it), then with the rank hash trained along.
# As it was: the first of the two cycles was stopped after 27 of its 100 minutes (117,000 samples) to begin the second, which ran on one
# core (62 minutes); the module was then still called training.distil; mirror images had been embedded for two thirds of the crops when it
# began, so the targets of the others are those of the crop alone.
$PYTHON -m training.warm hash models/drh.onnx "$WORK/packed" "$WORK/warm.pt"
$PYTHON -m training.stage1 "$WORK/packed" "$WORK/teacher_mbf.npy" "$WORK/backbone2.pt" --start "$WORK/warm.pt" --rate 2e-3 --minutes 100 --threads 1 --seed 2
