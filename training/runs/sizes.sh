#!/usr/bin/env bash
# The run behind the table of code sizes in docs/evaluation.md: heads for the backbone of the shipped models/drh.onnx (version 0.2.0), on a
# CPU. DATA holds the sets that models/MODEL_CARD.md names; WORK receives about 3.5 GB of intermediate files.
set -euo pipefail
DATA=${DATA:?folder with train/, lfw/, test/ and models/}
WORK=${WORK:?folder for intermediate files}
PYTHON=${PYTHON:-.venv/bin/python}
mkdir -p "$WORK"

# crops, and nobody of a test set. As it was: the teacher was stopped when it had embedded all labelled crops, which come first, so that
# the 552 left out are those that look like somebody of LFW or of YouTube Faces among the labelled ones and the first unlabelled few.
$PYTHON -m training.pack "$WORK/packed" "$DATA"/train/{celeba_a,celeba_b,fiw,utkface,fiw_unlabelled,nomask,masks}.zip
$PYTHON -m training.teach "$WORK/packed" "$DATA/models/w600k_mbf_dequant.onnx" "$WORK/teacher_mbf.npy"
$PYTHON -m training.overlap "$WORK/packed" "$WORK/teacher_mbf.npy" "$DATA/models/w600k_mbf_dequant.onnx" \
    "$DATA/lfw/lfw-deepfunneled.zip" "$DATA/test/ytf_150.zip"

# the shipped backbone, and its features of all 32,814 labelled crops. As it was: they were computed while the overlap was not known yet,
# and those left out were taken away afterwards; a view depends on its crop and the seed alone, so the rest are the same.
$PYTHON -m training.warm hash models/drh.onnx "$WORK/packed" "$WORK/warm.pt"
$PYTHON -m training.features "$WORK/packed" "$WORK/warm.pt" "$WORK/features.npz" --views 3 --threads 1

# The heads. Recipes were chosen on the identities held out (562 people, 1,984 crops), never on LFW; EER and acceptance at 0.1 % there:
#   64 x 8    random (seeds 1 to 5)      13.5 to 16.1 %, 34.7 to 41.0 %
#             default options, 800 steps  11.6 %, 44.9 %    (on the features before the overlap was taken away, as are the next three)
#             decided, scale 10, contrast 1                9.4 %, 29.0 %
#             decided, scale 30, contrast 1               10.1 %, 41.0 %; scale 40, contrast 0.3: 11.4 %, 44.5 %
#             decided, scale 20, contrast 1, hot 10        9.1 %, 38.7 %
#             decided, scale 20, hot 6, contrast 0.3       9.6 %, 43.4 % (seed 2: 9.5 %, 43.0 %)
#                                       contrast 1         9.0 %, 41.6 % (seed 2: 9.3 %, 43.1 %; 160 people x 2: 9.0 %, 44.8 %)
#                                       contrast 2         8.8 %, 44.2 %    chosen
#   256 x 8   random 9.3 %, 60.2 %; default 7.4 %, 63.8 % (chosen); decided as above, contrast 1: 7.1 %, 54.9 %
#   512 x 8   random 8.1 %, 64.7 %; default 6.7 %, 67.6 % (chosen); --decided alone 6.7 %, 67.5 %; decided, scale 20, contrast 0.3, hot 6:
#             6.5 %, 60.6 %
# A difference of 0.3 points at 64 x 8 is what another seed makes. So it is on LFW, looked at afterwards: the six decided heads of 64 x 8
# with scale 20 and hot 6 whose contrast was 0.3, 1 or 2 have an EER of 5.7 to 6.4 %, which is 22 to 31 % below that of the random
# projection of seed 1 (random, seeds 1 to 5: 8.0 to 8.7 %).
$PYTHON -m training.heads "$WORK/features.npz" "$WORK/heads" --sizes 64x8 --decided --scale 20 --contrast 2 --hot 6 --threads 1
$PYTHON -m training.heads "$WORK/features.npz" "$WORK/heads" --sizes 256x8 512x8 --steps 400 --threads 1

# the table
$PYTHON -m evaluation.sizes "$DATA/lfw/lfw-deepfunneled.zip" --pairs "$DATA/lfw/pairs.txt" --heads "$WORK/heads"
