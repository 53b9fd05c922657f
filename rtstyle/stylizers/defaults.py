"""What the methods that optimise pixels do unless told. Apart from them, so that naming it costs no torch."""

BACKBONES = (
    "vgg19", "vgg16", "small_vgg19", "resnet50", "efficientnet_b7", "googlenet", "inception_v3",
    "squeezenet1_1", "alexnet", "xception",
)  # fmt: skip
STATISTICS = ("gram", "gaussian")
OPTIMIZERS = ("lbfgs", "adam")

PAINT_SIZE = 512  # pixels of the longer side; a smaller photo keeps its own
PAINT_STEPS = 300
CONTENT_WEIGHT, STYLE_WEIGHT, VARIATION_WEIGHT = 1.0, 30.0, 3.0

DREAM_SIZE, MOVING_DREAM_SIZE = 1024, 512
DREAM_STEPS = 10  # at each octave
DREAM_RATE = 0.015  # mean change of a sample (in [0, 1]) by a step, about
OCTAVES = 4
OCTAVE_RATIO = 1.8
