#!/usr/bin/env bash
# The whole run behind models/ of version 0.1.0: CPU only, two cores, about two and a half hours. DATA holds the sets that
# models/MODEL_CARD.md names; WORK receives about 4 GB of intermediate files. Every step resumes or can be repeated.
set -euo pipefail
DATA=${DATA:?folder with train/, lfw/ and models/}
WORK=${WORK:?folder for intermediate files}
PYTHON=${PYTHON:-.venv/bin/python}
mkdir -p "$WORK"

# As it was: the first two cycles still had narrower LEVELS in training/scenes.py (stride 16 up to 128 pixels, not 224) and a last layer
# in bfloat16, which is why a third was needed; the first one's landmark weight was 1, then 2. The backbone ran on one core.
# the detector: LFW pictures that are not in pairs.txt, labelled by SCRFD
$PYTHON -m training.label_faces "$WORK/lfw_faces" "$DATA/lfw/lfw-deepfunneled.zip" "$DATA/models/scrfd_2.5g.onnx" --without "$DATA/lfw/pairs.txt"
$PYTHON -m training.detector "$WORK/lfw_faces" "$WORK/detector.pt" --minutes 42
$PYTHON -m training.detector "$WORK/lfw_faces" "$WORK/detector2.pt" --start "$WORK/detector.pt" --rate 3e-3 --minutes 32
$PYTHON -m training.detector "$WORK/lfw_faces" "$WORK/detector3.pt" --start "$WORK/detector2.pt" --rate 2e-3 --minutes 18

# stage 1: the backbone, distilled from the teacher; the module was called training.distil then
$PYTHON -m training.pack "$WORK/packed" "$DATA"/train/{celeba_a,celeba_b,fiw,utkface,fiw_unlabelled,nomask,masks}.zip
$PYTHON -m training.teach "$WORK/packed" "$DATA/models/w600k_mbf_dequant.onnx" "$WORK/teacher_mbf.npy"
$PYTHON -m training.stage1 "$WORK/packed" "$WORK/teacher_mbf.npy" "$WORK/backbone.pt" --minutes 85

# stage 2: rank hash and uncertainty; as it was, the share of equal symbols rose faster than a Gaussian projection's above a cosine of one half
$PYTHON -m training.features "$WORK/packed" "$WORK/backbone.pt" "$WORK/features.npz" --limit 20000
$PYTHON -m training.drh "$WORK/features.npz" "$WORK/head.pt" --teacher "$WORK/teacher_mbf.npy" --people 60 --others 0 --contrast 0 --margin 1 --quantisation 0.1

$PYTHON -m training.export detector "$WORK/detector3.pt" models/detector.onnx --facts training/runs/detector_facts.json
$PYTHON -m training.export drh "$WORK/backbone.pt" "$WORK/head.pt" models/drh.onnx --facts training/runs/drh_facts.json
