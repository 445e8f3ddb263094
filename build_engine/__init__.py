"""On the board: an ONNX network becomes a plan of this board's TensorRT, proved against onnxruntime before it is used."""
