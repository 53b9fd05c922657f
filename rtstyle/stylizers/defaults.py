"""What the methods that optimise pixels do unless told, the training of their backbones, and still pictures.

Apart from them, so that naming it costs no torch.
"""

BACKBONES = (
    "vgg19", "vgg16", "small_vgg19", "resnet50", "efficientnet_b7", "googlenet", "inception_v3",
    "squeezenet1_1", "alexnet", "xception",
)  # fmt: skip
STATISTICS = ("gram", "gaussian")
OPTIMIZERS = ("lbfgs", "adam")

PAINT_SIZE = 512  # pixels of the longer side; a smaller photo keeps its own
PAINT_STEPS = 300
# By eye on six pairs: at 30 The Starry Night over a city stayed a tinted photo, at 60 faces still are faces.
# From 30 to 100 the style error halves (0.0055 to 0.0028) and the content's grows from 0.37 to 0.59.
CONTENT_WEIGHT, STYLE_WEIGHT, VARIATION_WEIGHT = 1.0, 60.0, 3.0

DREAM_SIZE, MOVING_DREAM_SIZE = 1024, 512
DREAM_STEPS = 10  # at each octave
DREAM_RATE = 0.015  # mean change of a sample (in [0, 1]) by a step, about
OCTAVES = 4
OCTAVE_RATIO = 1.8

TUNED_EPOCHS, TUNED_CROP, TUNED_BATCH = 8, 160, 16  # crops in pixels a side
TUNED_RATE = 1e-5  # of Adam

# Of still pictures, and of live cameras, most of which stand still; see `rtstyle.stylizers.canvas`.
CANVAS = 0.5
