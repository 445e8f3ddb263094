"""The INT8 networks that are shipped, as recipes."""

from pathlib import Path

from calibration.recipe import again, load

MODELS = Path(__file__).parent.parent / "models"
RECIPES = sorted(MODELS.glob("*.recipe"))


def tensorrt_form(recipe: Path, folder: Path) -> Path:
    """TensorRT's form, made in a folder of the float network beside the recipe; the ONNX file."""
    return Path(again(recipe.with_suffix(".json"), load(recipe), ["tensorrt"], folder)["tensorrt"]).with_suffix(".onnx")
